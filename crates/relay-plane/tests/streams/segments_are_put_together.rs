//! However a stream is cut into segments, the answers are the same (row 120).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{bare_allocate, binding};
use crate::server::{Server, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_120_three_messages_cut_anywhere_get_the_same_answers() {
    let server = Server::start();
    let requests = [binding(), bare_allocate(), binding()].concat();
    for cut in 0..=requests.len() {
        let mut stream = TcpStream::connect(server.tcp).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for part in [&requests[..cut], &requests[cut..]] {
            stream.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        stream.shutdown().await.unwrap();
        let mut answers = Vec::new();
        soon(stream.read_to_end(&mut answers)).await.unwrap();
        // Two Binding answers of 32 bytes around a challenge of 58 with its padding.
        assert_eq!(answers.len(), 32 + 60 + 32, "cut at {cut}");
    }
}
