//! A file to a data connection. What the page cache has is read and sent piece by piece; once the storage is seen to
//! wait, several reads are under way.

use futures_util::FutureExt;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::io::AsyncWriteExt;

use super::{Stop, to_network};
use crate::protocols::ftp::data::stream::DataStream;
use crate::protocols::ftp::limits::{READS_AHEAD, TRANSFER_BYTES};
use crate::vfs::OpenFile;

/// Sends all from `offset` to the end; how many bytes of the file that were.
pub(super) async fn send(file: &OpenFile, stream: &mut DataStream, offset: u64, ascii: bool) -> Result<u64, Stop> {
    let mut reads = FuturesOrdered::new();
    let (mut next, mut sent, mut ahead) = (offset, 0, 1);
    let mut last = 0;
    loop {
        while reads.len() < ahead {
            reads.push_back(file.read_chunk(next, TRANSFER_BYTES));
            next += TRANSFER_BYTES as u64;
        }
        let read = match reads.next().now_or_never() {
            Some(read) => read,
            None => {
                ahead = READS_AHEAD;
                reads.next().await
            }
        };
        let Some(chunk) = read.transpose()? else {
            return Ok(sent);
        };
        let bytes = chunk.as_ref();
        if ascii {
            let lines = to_network(bytes, &mut last);
            stream.write_all(&lines).await.map_err(Stop::Connection)?;
        } else {
            stream.write_all(bytes).await.map_err(Stop::Connection)?;
        }
        sent += bytes.len() as u64;
        if bytes.len() < TRANSFER_BYTES {
            return Ok(sent);
        }
    }
}
