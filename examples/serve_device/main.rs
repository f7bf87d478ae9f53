//! Lends this machine's device to trainings elsewhere: Burn's server, on loopback unless told
//! otherwise.
//!
//! `cargo run --release --example serve_device`, then
//! `cargo run --release --example train -- --devices remote:ws://127.0.0.1:3000`

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use burn::server::{RemoteServer, WebSocketTransport};
use clap::Parser;
use free_at_examples::devices;

/// As in the other examples: the system's allocator costs a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves a device to trainings on other machines, until Ctrl-C. The connection is neither encrypted nor
/// authenticated: listen on a network only if you trust all of it.
#[derive(Parser)]
#[command(name = "serve_device")]
struct Arguments {
    /// Where to listen. 0.0.0.0:3000 is every network of the machine, port 0 any free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Which device: default, flex, cuda:0, vulkan:0, …, of the backends that were compiled in.
    #[arg(long, value_name = "DEVICE", default_value = "default")]
    device: String,
}

fn main() -> ExitCode {
    free_at_examples::exit(run(Arguments::parse()))
}

fn run(Arguments { listen, device }: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let device = devices::parse(&device)?;
    let listener =
        TcpListener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("serving {device:?} on ws://{}", listener.local_addr()?);
    RemoteServer::new([device]).serve(WebSocketTransport::from_listener(listener))?;
    Ok(())
}
