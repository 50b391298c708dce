//! The first service: takes orders, prices them, asks the warehouse, charges the customer.

use std::error::Error;
use std::io::BufRead;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use otel_enhance::{enhanced_trace, task};

use crate::remote;

/// An order for one piece of everything in it.
#[derive(Clone)]
struct Order {
    id: u64,
    skus: &'static [&'static str],
    card: &'static str,
}

const ORDERS: [Order; 3] = [
    Order {
        id: 1001,
        skus: &["teapot", "cup"],
        card: "visa",
    },
    Order {
        id: 1002,
        skus: &["teapot", "unicorn"],
        card: "visa",
    },
    Order {
        id: 1003,
        skus: &["cup"],
        card: "expired",
    },
];

/// Runs the shop and returns how many spans its exporter delivered.
pub(crate) fn main(endpoint: &str) -> Result<u64, Box<dyn Error>> {
    let telemetry = otel_enhance::init!(
        service = "storefront",
        version = "1.4.0",
        endpoint = endpoint
    )?;

    let mut warehouse = Warehouse::start(endpoint)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for order in ORDERS {
            let id = order.id;
            match checkout(order, &warehouse.address).await {
                Ok(receipt) => println!("order {id}: {receipt}"),
                Err(reason) => println!("order {id}: {reason}"),
            }
        }
    });
    warehouse.stop()?;

    println!();
    telemetry.shutdown()?;
    Ok(telemetry.delivery().exported)
}

/// The same orders again and again, several at once, and not a word about them.
pub(crate) fn busy(endpoint: &str, repetitions: usize) -> Result<(), Box<dyn Error>> {
    let telemetry = otel_enhance::init!(
        service = "storefront",
        version = "1.4.0",
        endpoint = endpoint
    )?;
    let mut warehouse = Warehouse::start(endpoint)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for _ in 0..repetitions {
            let mut orders = tokio::task::JoinSet::new();
            for order in ORDERS {
                let address = warehouse.address.clone();
                orders.spawn(async move { checkout(order, &address).await });
            }
            orders.join_all().await;
        }
    });
    warehouse.stop()?;
    telemetry.shutdown()?;
    Ok(())
}

/// One order from click to receipt.
#[enhanced_trace(kind = "server", err, fields(order.id = order.id, order.items = order.skus.len()))]
async fn checkout(order: Order, warehouse: &str) -> Result<String, String> {
    let total = price(&order);

    // Parallel tasks on the runtime's threads: each is a child of this span.
    let mut reservations = tokio::task::JoinSet::new();
    for sku in order.skus {
        reservations.spawn(task::child(reserve(
            sku,
            format!("http://{warehouse}/reserve/{sku}"),
        )));
    }
    while let Some(reservation) = reservations.join_next().await {
        reservation.map_err(|error| error.to_string())??;
    }

    charge(order.card, total).await
}

/// Plain synchronous code is traced the same way.
#[enhanced_trace(ret)]
fn price(order: &Order) -> f64 {
    std::thread::sleep(Duration::from_micros(400));
    order
        .skus
        .iter()
        .map(|sku| if *sku == "teapot" { 24.5 } else { 8.0 })
        .sum()
}

#[enhanced_trace(capture(sku), err)]
async fn reserve(sku: &str, url: String) -> Result<(), String> {
    remote::get(url)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

#[enhanced_trace(kind = "client", capture(card, total), err)]
async fn charge(card: &'static str, total: f64) -> Result<String, String> {
    tokio::time::sleep(Duration::from_millis(4)).await;
    if card == "expired" {
        return Err("the card has expired".to_owned());
    }
    Ok(format!("{total:.2} charged to {card}"))
}

/// The second process.
struct Warehouse {
    process: Child,
    address: String,
}

impl Warehouse {
    fn start(endpoint: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--warehouse", endpoint])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        let stdout = process
            .stdout
            .take()
            .ok_or("the warehouse has no standard output")?;
        std::io::BufReader::new(stdout).read_line(&mut address)?;
        let address = address.trim().to_owned();
        if address.is_empty() {
            return Err("the warehouse did not start".into());
        }
        Ok(Self { process, address })
    }

    /// Closing its standard input tells it to flush and end.
    fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the warehouse ended with {status}").into())
        }
    }
}

impl Drop for Warehouse {
    /// After an error: a second process must not stay behind.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
