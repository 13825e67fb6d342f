//! TYPE, STRU, MODE, REST, ALLO, ABOR: the parameters of the next transfer.

use crate::protocols::ftp::state::State;
use crate::protocols::ftp::wire::Reply;
use crate::protocols::ftp::wire::command::Representation;

/// STRU: files only.
pub(in crate::protocols::ftp) fn structure(known: bool) -> Reply {
    match known {
        true => Reply::new(200, "Files have no structure."),
        false => Reply::new(504, "Only STRU F is known."),
    }
}

/// MODE: a stream only.
pub(in crate::protocols::ftp) fn mode(known: bool) -> Reply {
    match known {
        true => Reply::new(200, "Transfers are a stream."),
        false => Reply::new(504, "Only MODE S is known."),
    }
}

impl State {
    pub(in crate::protocols::ftp) fn representation(&mut self, wanted: Representation) -> Reply {
        match wanted {
            Representation::Ascii => {
                self.ascii = true;
                Reply::new(200, "Ends of lines are converted.")
            }
            Representation::Image => {
                self.ascii = false;
                Reply::new(200, "Bytes are sent as they are.")
            }
            Representation::Other => Reply::new(504, "Only TYPE A, TYPE I and TYPE L 8 are known."),
        }
    }

    pub(in crate::protocols::ftp) fn rest(&mut self, offset: u64) -> Reply {
        if offset > i64::MAX as u64 {
            return Reply::new(501, "No file is that long.");
        }
        self.offset = offset;
        Reply::new(350, format!("The next transfer begins at byte {offset}."))
    }

    pub(in crate::protocols::ftp) fn allo(&mut self, size: u64) -> Reply {
        self.announced = Some(size);
        Reply::new(200, format!("{size} bytes are awaited."))
    }

    /// Without a transfer that runs.
    pub(in crate::protocols::ftp) fn abor(&mut self) -> Reply {
        self.offset = 0;
        self.announced = None;
        Reply::new(226, "Nothing runs.")
    }
}
