//! Runs the estimator against a simulated line: a queue of bytes, its rate, delays, jitter and
//! losses. It does not know what is expected of the estimator, nor the project's sender; it has a
//! simple one.

use std::collections::VecDeque;

use super::super::*;

/// The simulation's step, in microseconds.
pub(super) const STEP: i64 = 250;
/// What the sender's layers need, audio and headers included, in bits per second.
pub(super) const LAYERS: [u64; 3] = [190_000, 540_000, 1_740_000];
pub(super) const AUDIO: u64 = 40_000;

/// Numbers that look random (Knuth's MMIX).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// What the sender does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum App {
    /// The highest layer that fits, with probes for the highest.
    Layers,
    /// As much as the estimate allows.
    Elastic,
    /// So many bits per second, without probes.
    Fixed(u64),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) rate: u64,
    /// One way, in microseconds.
    pub(super) delay: i64,
    pub(super) jitter: u64,
    /// Of a thousand packets.
    pub(super) loss: u64,
    /// How long the queue can be, in microseconds.
    pub(super) queue: i64,
    /// Between reports, in microseconds.
    pub(super) interval: (i64, i64),
}

impl Line {
    pub(super) fn new(rate: u64, trip: i64) -> Self {
        let interval = (50_000, 100_000);
        Line { rate, delay: trip * 500, jitter: 0, loss: 0, queue: 1_000_000, interval }
    }
}

pub(super) struct Sim {
    pub(super) now: i64,
    pub(super) began: Instant,
    pub(super) estimator: Estimator,
    pub(super) line: Line,
    pub(super) app: App,
    pub(super) random: Random,
    pub(super) layer: usize,
    /// What waits at the line: number, bytes, when it entered; and bits of the first one to go.
    pub(super) queue: VecDeque<(u16, u64, i64)>,
    pub(super) left: i64,
    pub(super) waiting: u64,
    /// On its way to the viewer: number and when it arrives.
    pub(super) flying: VecDeque<(u16, i64)>,
    pub(super) received: Vec<(u16, i64)>,
    pub(super) expected: u16,
    pub(super) next_report: i64,
    pub(super) reports: VecDeque<(i64, Vec<Arrival>)>,
    pub(super) next_frame: i64,
    pub(super) next_audio: i64,
    pub(super) probe: Option<(Probe, u16, i64)>,
    pub(super) probes: u32,
    /// Delivered bytes, and what was seen of the queue's delay since it was last cleared.
    pub(super) delivered: u64,
    pub(super) delays: (i64, u64, u64),
    pub(super) repeat: bool,
    pub(super) last_arrival: i64,
    pub(super) deaf: bool,
    pub(super) lost: u64,
    pub(super) count: u64,
}

impl Sim {
    pub(super) fn new(line: Line, app: App, seed: u64) -> Self {
        let began = Instant::now();
        Sim {
            now: 0,
            began,
            estimator: Estimator::new(began),
            line,
            app,
            random: Random(seed),
            layer: 0,
            queue: VecDeque::new(),
            left: 0,
            waiting: 0,
            flying: VecDeque::new(),
            received: Vec::new(),
            expected: 0,
            next_report: 50_000,
            reports: VecDeque::new(),
            next_frame: 0,
            next_audio: 3_000,
            probe: None,
            probes: 0,
            delivered: 0,
            delays: (0, 0, 0),
            repeat: false,
            last_arrival: 0,
            deaf: false,
            lost: 0,
            count: 0,
        }
    }

    pub(super) fn instant(&self) -> Instant {
        self.began + Duration::from_micros(self.now as u64)
    }

    pub(super) fn send(&mut self, bytes: u64, is_probe: bool) {
        let now = self.instant();
        let sequence = match is_probe {
            true => self.estimator.sent_probe(now, bytes as usize),
            false => self.estimator.sent(now, bytes as usize),
        };
        let waiting = self.waiting * 8;
        let full = waiting * 1_000_000 / self.line.rate.max(1) > self.line.queue as u64;
        self.count += 1;
        if full || self.random.below(1000) < self.line.loss {
            self.lost += 1;
        } else {
            if self.queue.is_empty() {
                self.left = (bytes as i64 + 28) * 8_000_000;
            }
            self.waiting += bytes + 28;
            self.queue.push_back((sequence, bytes + 28, self.now));
        }
    }

    pub(super) fn burst(&mut self, mut bytes: u64) {
        while bytes > 0 {
            let size = bytes.min(1150);
            self.send(size, false);
            bytes -= size;
        }
    }

    pub(super) fn media(&mut self) {
        let estimate = self.estimator.bitrate();
        let video = match self.app {
            App::Layers => {
                while self.layer > 0 && LAYERS[self.layer] > estimate {
                    self.layer -= 1;
                }
                if self.layer < 2 && LAYERS[self.layer + 1] * 21 / 20 <= estimate {
                    self.layer += 1;
                }
                LAYERS[self.layer] - AUDIO
            }
            App::Elastic => estimate.saturating_sub(AUDIO).max(10_000),
            App::Fixed(rate) => rate - AUDIO,
        };
        if self.now >= self.next_frame {
            self.next_frame += 33_333;
            let even = video / 8 / 30;
            let bytes = even * (70 + self.random.below(60)) / 100;
            self.burst(bytes);
        }
        if self.now >= self.next_audio {
            self.next_audio += 20_000;
            self.send(72, false);
        }
    }

    pub(super) fn probing(&mut self) {
        let wanted = match self.app {
            App::Layers => LAYERS[2],
            App::Elastic => 20_000_000,
            App::Fixed(_) => return,
        };
        if self.probe.is_none() && self.now % 5_000 == 0 {
            let probe = self.estimator.probe(self.instant(), wanted);
            self.probes += u32::from(probe.is_some());
            self.probe = probe.map(|probe| (probe, probe.packets, self.now));
        }
        while let Some((probe, open, at)) = self.probe
            && self.now >= at
        {
            self.send(probe.bytes.into(), true);
            let gap = (u64::from(probe.bytes) + 28) * 8_000_000 / probe.bitrate;
            self.probe = (open > 1).then_some((probe, open - 1, at + gap as i64));
        }
    }

    pub(super) fn carry(&mut self) {
        let mut budget = self.line.rate as i64 * STEP;
        while budget > 0 && !self.queue.is_empty() {
            if self.left > budget {
                self.left -= budget;
                break;
            }
            budget -= self.left;
            let Some((sequence, bytes, entered)) = self.queue.pop_front() else { break };
            let own = bytes as i64 * 8_000_000 / self.line.rate as i64;
            let waited = (self.now + STEP - entered - own).max(0);
            self.delays.0 = self.delays.0.max(waited);
            self.delays.1 += waited as u64;
            self.delays.2 += 1;
            self.waiting -= bytes;
            self.delivered += bytes;
            let jitter = self.random.below(self.line.jitter + 1) as i64;
            let at = (self.now + self.line.delay + jitter).max(self.last_arrival);
            self.last_arrival = at;
            self.flying.push_back((sequence, at));
            self.left = self.queue.front().map_or(0, |packet| packet.1 as i64 * 8_000_000);
        }
    }

    pub(super) fn report(&mut self) {
        while let Some((sequence, at)) = self.flying.front().copied()
            && at <= self.now
        {
            self.flying.pop_front();
            self.received.push((sequence, at));
        }
        if self.now >= self.next_report {
            let (least, most) = self.line.interval;
            self.next_report += least + self.random.below((most - least) as u64) as i64;
            let mut arrivals = Vec::new();
            for (sequence, at) in std::mem::take(&mut self.received) {
                while self.expected != sequence {
                    arrivals.push(Arrival { sequence: self.expected, at: None });
                    self.expected = self.expected.wrapping_add(1);
                }
                self.expected = self.expected.wrapping_add(1);
                // The receiver's clock begins elsewhere, and runs 50 ppm fast.
                let at = 123_456_789 + (at + at / 20_000) / 250;
                arrivals.push(Arrival { sequence, at: Some(at) });
            }
            if !arrivals.is_empty() && !self.deaf {
                self.reports.push_back((self.now + self.line.delay, arrivals));
            }
        }
    }

    pub(super) fn step(&mut self) {
        self.media();
        self.probing();
        self.carry();
        self.report();
        let now = self.instant();
        while self.reports.front().is_some_and(|report| report.0 <= self.now) {
            let Some((_, arrivals)) = self.reports.pop_front() else { break };
            self.estimator.feedback(now, arrivals.iter().copied());
            if self.repeat {
                self.estimator.feedback(now, arrivals.into_iter());
            }
        }
        if self.now % 10_000 == 0 && self.estimator.deadline().is_some_and(|due| due <= now) {
            self.estimator.tick(now);
        }
        self.now += STEP;
    }

    /// Runs for so many milliseconds, and tells the least and the most that was estimated.
    pub(super) fn run(&mut self, millis: i64) -> (u64, u64) {
        let (mut least, mut most) = (u64::MAX, 0);
        let end = self.now + millis * 1000;
        while self.now < end {
            self.step();
            let bitrate = self.estimator.bitrate();
            (least, most) = (least.min(bitrate), most.max(bitrate));
        }
        (least, most)
    }

    /// After how many milliseconds a condition holds, if within so many.
    pub(super) fn until(&mut self, millis: i64, holds: impl Fn(u64) -> bool) -> Option<i64> {
        let from = self.now;
        while self.now < from + millis * 1000 {
            if holds(self.estimator.bitrate()) {
                return Some((self.now - from) / 1000);
            }
            self.step();
        }
        None
    }

    /// The longest delay and the mean one in the queue since the last time, in milliseconds.
    pub(super) fn queued(&mut self) -> (i64, u64) {
        let (most, sum, count) = std::mem::take(&mut self.delays);
        (most / 1000, sum / count.max(1) / 1000)
    }
}
