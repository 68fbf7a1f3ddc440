//! A bare HTTP/2 connection to one node, for generated gRPC clients: headers and body leave in one write.
//!
//! tonic's own channel goes through a queue, and sends a request's headers and its body in two writes, which
//! costs a load generator and the server it drives a fifth of their work per call. On a machine that
//! both share, that is the difference between measuring the server and measuring the client. There is no
//! reconnecting, balancing or TLS here: a connection that is gone stays gone.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response, Uri};
use http_body::{Body, Frame};
use tokio::net::TcpStream;
use tower_service::Service;

/// Initial window of every stream and of the connection: replies of a benchmark are smaller, so that
/// flow control costs nothing.
const WINDOW_BYTES: u32 = 4 << 20;

/// A connection that several requests may use at once.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    requests: SendRequest<Bytes>,
}

impl Channel {
    /// Connects and shakes hands. The connection lives in a task of the calling runtime, until all
    /// clones are dropped or the node closes it.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Channel> {
        let socket = TcpStream::connect(address).await?;
        // Requests are smaller than a segment and each is waited for.
        socket.set_nodelay(true)?;
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .handshake(socket)
            .await
            .map_err(io::Error::other)?;
        // An error of the connection reaches every request that waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Channel { requests })
    }

    /// What a generated client's `with_origin` needs, as HTTP/2 wants a scheme and an authority.
    pub(crate) fn origin(address: SocketAddr) -> Uri {
        let origin =
            Uri::builder().scheme("http").authority(address.to_string()).path_and_query("/");
        origin.build().expect("a socket address is an authority")
    }
}

impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<Reply>;
    type Error = tonic::Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.requests.poll_ready(context).map_err(broken)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        // The clone that was made ready is the one to be used.
        let ready = self.requests.clone();
        let mut requests = std::mem::replace(&mut self.requests, ready);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let message = single_message(body).await?;
            let head = Request::from_parts(parts, ());
            let (response, mut stream) = requests.send_request(head, false).map_err(broken)?;
            stream.send_data(message, true).map_err(broken)?;
            Ok(response.await.map_err(broken)?.map(|stream| Reply { stream }))
        })
    }
}

/// The body of a unary call: one message, which tonic encodes into one frame.
async fn single_message(body: tonic::body::Body) -> Result<Bytes, tonic::Status> {
    let mut body = std::pin::pin!(body);
    let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
    let frame = frame.ok_or_else(|| tonic::Status::internal("the request has no message"))??;
    frame.into_data().map_err(|_| tonic::Status::internal("the request begins with trailers"))
}

/// `Unavailable`, as a transport's failure says nothing of the command's fate.
fn broken(error: h2::Error) -> tonic::Status {
    tonic::Status::unavailable(error.to_string())
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    stream: h2::RecvStream,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.stream.poll_data(context)) {
            Some(Ok(data)) => {
                self.stream.flow_control().release_capacity(data.len())?;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                let trailers = ready!(self.stream.poll_trailers(context))?;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}
