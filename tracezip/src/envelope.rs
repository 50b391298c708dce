//! What spans lie in: resources, scopes, and whatever is neither.

use core::ops::Range;

use crate::coder::Coder;
use crate::dict::{Kind, LONGEST};
use crate::error::{DecodeError, Outcome};
use crate::session::{Book, Group, Session};
use crate::wire::{self, minimal_len, put_wide_varint};

/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE: u64 = 0x0a;
/// `ResourceSpans.scope_spans` and `ScopeSpans.spans`.
const SCOPE: u64 = 0x12;
const SPAN: u64 = 0x12;

/// A message that contains others, between two strings that it begins and ends with. Places are those in the
/// request, in a decoder those of the entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shell {
    /// All of it, tag and all.
    pub(crate) whole: Range<usize>,
    pub(crate) before: Range<usize>,
    pub(crate) after: Range<usize>,
    /// Width of its own length, and of those of what it contains, if unusual.
    pub(crate) width: u8,
    pub(crate) inner_width: u8,
    /// What it contains.
    pub(crate) inner: Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Item {
    Raw(Range<usize>),
    Resource(Shell),
}

/// A request, taken apart as far as its spans.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    pub(crate) items: Vec<Item>,
    pub(crate) scopes: Vec<Shell>,
    /// Where each span begins and ends.
    pub(crate) spans: Vec<(u32, u32)>,
}

impl Envelope {
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.scopes.clear();
        self.spans.clear();
    }

    /// Takes a request apart. `found` is called with each span, unless a part of what it lies in was seen to be damaged
    /// before: with how many were found and are kept, how many of its scope, and where it begins and ends.
    pub(crate) fn scan(
        &mut self,
        request: &[u8],
        found: &mut impl FnMut(usize, usize, usize, usize),
    ) {
        self.clear();
        let mut at = 0;
        while at < request.len() {
            let (scopes, spans) = (self.scopes.len(), self.spans.len());
            let field = wire::field(request, at);
            let end = field.as_ref().map_or(request.len(), |field| field.end);
            if let Some(field) = field
                && field.tag == RESOURCE
                && let Some(mut shell) = self.resource(request, field.start, field.end, found)
            {
                shell.width = field.width;
                shell.whole = at..end;
                self.items.push(Item::Resource(shell));
            } else {
                self.scopes.truncate(scopes);
                self.spans.truncate(spans);
                match self.items.last_mut() {
                    Some(Item::Raw(raw)) => raw.end = end,
                    _ => self.items.push(Item::Raw(at..end)),
                }
            }
            at = end;
        }
    }

    fn resource(
        &mut self,
        request: &[u8],
        start: usize,
        end: usize,
        found: &mut impl FnMut(usize, usize, usize, usize),
    ) -> Option<Shell> {
        let first = self.scopes.len();
        let mut shell = shell(&request[..end], start, SCOPE, |width, start, end| {
            let mut scope = shell_of_spans(request, start, end, &mut self.spans, found)?;
            scope.width = width;
            self.scopes.push(scope);
            Some(())
        })?;
        shell.inner = first..self.scopes.len();
        // The widths of scopes are their own.
        shell.inner_width = 0;
        Some(shell)
    }
}

fn shell_of_spans(
    request: &[u8],
    start: usize,
    end: usize,
    spans: &mut Vec<(u32, u32)>,
    found: &mut impl FnMut(usize, usize, usize, usize),
) -> Option<Shell> {
    let first = spans.len();
    let mut common = None;
    let mut shell = shell(&request[..end], start, SPAN, |width, start, end| {
        found(spans.len(), spans.len() - first, start, end);
        spans.push((start as u32, end as u32));
        (*common.get_or_insert(width) == width).then_some(())
    })?;
    shell.inner_width = common.unwrap_or(0);
    shell.inner = first..spans.len();
    Some(shell)
}

/// Reads the fields of a message that ends where the bytes end; nothing if those with the tag `inner` are not
/// together.
fn shell(
    bytes: &[u8],
    start: usize,
    inner: u64,
    mut found: impl FnMut(u8, usize, usize) -> Option<()>,
) -> Option<Shell> {
    let mut shell = Shell {
        before: start..start,
        after: bytes.len()..bytes.len(),
        ..Shell::default()
    };
    let (mut at, mut found_any, mut over) = (start, false, false);
    while at < bytes.len() {
        // Most of what there is are spans of less than 16 KiB.
        if !over && let Some((start, end)) = short_field(bytes, at, inner) {
            found_any = true;
            found(0, start, end)?;
            at = end;
            continue;
        }
        let field = wire::field(bytes, at)?;
        if field.tag == inner {
            if over {
                return None;
            }
            found_any = true;
            found(field.width, field.start, field.end)?;
        } else if found_any {
            if !over {
                shell.after.start = at;
            }
            over = true;
        } else {
            shell.before.end = field.end;
        }
        at = field.end;
    }
    let longest = LONGEST[Kind::Shell as usize];
    (shell.before.len() <= longest && shell.after.len() <= longest).then_some(shell)
}

/// Where the contents of a field begin and end, if it has this tag of one byte, and a length as short as it can be of one
/// or two.
#[inline]
fn short_field(bytes: &[u8], at: usize, tag: u64) -> Option<(usize, usize)> {
    let &[found, low, high] = bytes.get(at..)?.first_chunk()?;
    if u64::from(found) != tag {
        return None;
    }
    let (start, len) = match (low, high) {
        (0..0x80, _) => (at + 2, usize::from(low)),
        (_, 1..0x80) => (at + 3, usize::from(low & 0x7f) | (usize::from(high) << 7)),
        _ => return None,
    };
    let end = start + len;
    (end <= bytes.len()).then_some((start, end))
}

/// Where in `common.shells` the places of a shell's two entries are.
const OF_RESOURCE: usize = 0;
const OF_SCOPE: usize = 2;

impl<B: Book> Session<'_, B> {
    /// Codes the envelope: an encoder's is given, with the entries of its shells; a decoder's is filled in.
    /// `entries` has the ids of each shell in the order of coding.
    pub(crate) fn envelope<C: Coder>(
        &mut self,
        c: &mut C,
        envelope: &mut Envelope,
        entries: &mut Vec<[u16; 2]>,
    ) -> Outcome<()> {
        let items = self.count(c, envelope.items.len())?;
        let mut next = 0;
        let mut total = 0;
        for index in 0..items {
            let resource = match envelope.items.get(index) {
                Some(Item::Resource(shell)) => Some(shell.clone()),
                _ => None,
            };
            if self.flag(c, usize::from(resource.is_some())) == 0 {
                let range = match envelope.items.get(index) {
                    Some(Item::Raw(range)) => range.clone(),
                    _ => 0..0,
                };
                let input = self.input;
                let (start, len) = self.long_text(c, &input[range])?;
                if len == 0 && !C::ENCODES {
                    // Each takes room, so that there are no more of them than bytes.
                    return Err(DecodeError::Corrupt("nothing between resources").into());
                }
                if !C::ENCODES {
                    envelope.items.push(Item::Raw(start..start + len));
                }
                continue;
            }
            let mut resource = resource.unwrap_or_default();
            self.shell(c, &mut resource, OF_RESOURCE, &mut next, entries)?;
            let scopes = self.count(c, resource.inner.len())?;
            if !C::ENCODES {
                resource.inner = envelope.scopes.len()..envelope.scopes.len();
            }
            for index in 0..scopes {
                let mut scope = if C::ENCODES {
                    envelope.scopes[resource.inner.start + index].clone()
                } else {
                    Shell::default()
                };
                self.shell(c, &mut scope, OF_SCOPE, &mut next, entries)?;
                scope.inner_width = self.flag(c, usize::from(scope.inner_width)) as u8;
                let spans = self.count(c, scope.inner.len())?;
                if !C::ENCODES {
                    if spans > self.budget {
                        return Err(DecodeError::Corrupt("more spans than bytes").into());
                    }
                    scope.inner = total..total + spans;
                    envelope.scopes.push(scope);
                    resource.inner.end += 1;
                }
                total += spans;
                let shell = entries.get(next - 1).map_or(0, |ids| ids[0]);
                self.buffers.groups.push(Group { shell, left: spans });
            }
            if !C::ENCODES {
                envelope.items.push(Item::Resource(resource));
            }
        }
        Ok(())
    }

    fn shell<C: Coder>(
        &mut self,
        c: &mut C,
        shell: &mut Shell,
        places: usize,
        next: &mut usize,
        entries: &mut Vec<[u16; 2]>,
    ) -> Outcome<()> {
        shell.width = self.flag(c, usize::from(shell.width)) as u8;
        let mut ids = entries.get(*next).copied().unwrap_or_default();
        let mut len = 2;
        for (which, id) in ids.iter_mut().enumerate() {
            let place = self.models.common.shells[places + which];
            let place = self.models.recent_place(place);
            self.models.common.shells[places + which] = place;
            *id = self.entry(c, place, Kind::Shell, *id)?;
            len += self.book.dict().shell(*id)?.len();
        }
        if !C::ENCODES {
            self.spend(len)?;
            entries.push(ids);
        }
        *next += 1;
        Ok(())
    }
}

/// The length of a field with a length, tag and all.
pub(crate) fn field_len(contents: usize, width: u8) -> usize {
    1 + contents + minimal_len(contents as u64).max(usize::from(width))
}

/// Begins a field with a length.
pub(crate) fn put_field(tag: u64, contents: usize, width: u8, out: &mut Vec<u8>) {
    out.push(tag as u8);
    put_wide_varint(contents as u64, width, out);
}

/// Tags, for who writes an envelope.
pub(crate) mod tag {
    pub(crate) const RESOURCE: u64 = super::RESOURCE;
    pub(crate) const SCOPE: u64 = super::SCOPE;
    pub(crate) const SPAN: u64 = super::SPAN;
}
