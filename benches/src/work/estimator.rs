//! What the estimate of one viewer's line costs: packets that leave, and reports of how they
//! arrived. It knows no network; arrivals are made up.

use std::time::{Duration, Instant};

use farcast_core::hub::egress::rtcp::transport::{Arrival, UNIT};
use farcast_core::hub::estimate::Estimator;

use super::Work;
use crate::meter::{Cost, Meter};

/// Reports of one round, and packets that each tells of: 1,000 in all.
const REPORTS: usize = 50;
const PACKETS: usize = 20;
/// Bytes of UDP payload.
const BYTES: usize = 1_200;
/// Between two packets, the same in units of reports, and how many of them until a report comes.
const PAUSE: Duration = Duration::from_millis(4);
const UNITS: i64 = (PAUSE.as_micros() / UNIT.as_micros()) as i64;
const TRIP: u16 = 5;
/// Units that packets arrive late, in turn: a small queue that comes and goes.
const LATE: [i64; 7] = [0, 3, 1, 8, 2, 0, 5];
/// One packet of so many is lost.
const LOST: usize = 200;
/// Rounds after which all windows are full.
const WARM: usize = 2;

/// A thousand packets sent, and fifty reports of them taken.
pub struct Reports {
    now: Instant,
    /// When a packet that leaves now arrives at the earliest, by the viewer's clock.
    arrives: i64,
    estimator: Estimator,
    arrivals: Vec<Arrival>,
    sent: usize,
}

impl Reports {
    /// An estimator that has heard of its line for some seconds.
    #[allow(clippy::new_without_default, reason = "all works are made alike")]
    pub fn new() -> Self {
        let now = Instant::now();
        let (estimator, arrivals) = (Estimator::new(now), Vec::with_capacity(PACKETS));
        let mut reports = Reports { now, arrives: 0, estimator, arrivals, sent: 0 };
        for _ in 0..WARM * REPORTS {
            reports.report();
        }
        reports
    }

    fn report(&mut self) {
        self.arrivals.clear();
        for _ in 0..PACKETS {
            self.pass(1);
            let sequence = self.estimator.sent(self.now, BYTES);
            let at = self.arrives + LATE[self.sent % LATE.len()];
            self.sent += 1;
            let at = (!self.sent.is_multiple_of(LOST)).then_some(at);
            self.arrivals.push(Arrival { sequence, at });
        }
        self.pass(TRIP);
        self.estimator.feedback(self.now, self.arrivals.iter().copied());
    }

    fn pass(&mut self, pauses: u16) {
        self.now += PAUSE * u32::from(pauses);
        self.arrives += UNITS * i64::from(pauses);
    }
}

impl Work for Reports {
    fn round(&mut self, meter: &Meter) -> Cost {
        let before = self.estimator.bitrate();
        let cost = meter.measure(|| (0..REPORTS).for_each(|_| self.report()));
        assert!(self.estimator.bitrate() >= before, "the line takes it all");
        cost
    }
}
