//! `init!`: arguments to the calls of the pipeline builder.
