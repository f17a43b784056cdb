//! What the hostile clients' bytes cost at least: a hyper server that reads and discards them, in a process of its own.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use super::process::Process;

/// The argument with which this program is the plain server.
pub(crate) const ARGUMENT: &str = "--plain-server";

/// What a GET is answered: about as long as the service's longer documents.
static DOCUMENT: [u8; 32 << 10] = [b'x'; 32 << 10];

/// A running plain server; dropped, it is killed.
pub(crate) struct PlainServer {
    child: Child,
    pub(crate) address: String,
}

impl PlainServer {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(ARGUMENT).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints the address that it has been given, and serves for ever.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", port.local_addr().unwrap());
        loop {
            let Ok((stream, _)) = port.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service_fn(discard)).await;
            });
        }
    });
}

async fn discard(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let document: &'static [u8] = if request.method() == Method::GET { &DOCUMENT } else { b"" };
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Response::new(Full::from(document)))
}
