//! The second service: keeps the stock, and now and then has none.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use otel_enhance::{Context, enhanced_trace};
use tokio::net::TcpListener;

use crate::remote;

/// Serves until standard input closes, so that no warehouse outlives its storefront.
pub(crate) fn main(endpoint: &str) -> Result<(), Box<dyn Error>> {
    let telemetry = otel_enhance::init!(service = "warehouse", endpoint = endpoint)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        tokio::spawn(remote::serve(listener, reserve));
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await?
    })?;
    telemetry.shutdown()?;
    Ok(())
}

/// `/reserve/SKU`: one piece of it, if there is one.
#[enhanced_trace(name = "GET /reserve/{sku}", kind = "server", err, parent = caller, fields(url.path = path.clone()))]
async fn reserve(path: String, caller: Context) -> Result<String, String> {
    let sku = path.trim_start_matches("/reserve/");
    let stock = look_up(sku).await;
    if stock == 0 {
        return Err(format!("{sku} is sold out"));
    }
    commit(sku, stock - 1).await;
    Ok(format!("{sku} reserved"))
}

#[enhanced_trace(capture(sku), ret)]
async fn look_up(sku: &str) -> u32 {
    tokio::time::sleep(Duration::from_millis(3)).await;
    if sku == "unicorn" { 0 } else { 7 }
}

#[enhanced_trace(kind = "client", fields(db.system.name = "postgresql", db.operation.name = "UPDATE"), capture(sku, left))]
async fn commit(sku: &str, left: u32) {
    tokio::time::sleep(Duration::from_millis(2)).await;
}
