//! The one event loop: it waits for facts, feeds them to the machine and does the errands that the
//! machine leaves. It knows neither what the machine is nor which runtime it waits on.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender, TrySendError};
use farcast_core::http::{CallError, Reply};
use farcast_core::machine::{BindId, CallId, ConnectionId, Input, Machine, Output, RequestId};
use farcast_core::outbox::Outbox;
use futures_lite::Stream;

use crate::batch::Batch;
use crate::link::{Errand, Fact, ToPeer};
use crate::observer::{Observer, Traffic};
use crate::runtime::Runtime;
use crate::sockets::Sockets;

/// Reads of UDP sockets in a row before a fact gets its turn. One read may bring megabytes.
const READS: u32 = 4;
/// Turns in a row before the other tasks of this thread get theirs.
const TURNS: u32 = 32;
/// The longest that the driver sleeps without looking at the machine's deadline again.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// From the end of [`Input::Stopping`] to the end of the driver, so that the machine's goodbyes and
/// the tasks' last replies leave this process.
const GRACE: Duration = Duration::from_millis(200);

/// How the tasks around the driver reach it and are reached.
pub struct Links {
    /// What the tasks tell. When all senders are gone, the driver stops the machine.
    pub facts: Receiver<Fact>,
    /// Takes the calls that the machine wants made.
    pub calls: Sender<Errand>,
}

/// Runs the machine until it has been told to stop.
pub async fn run<R: Runtime>(
    runtime: &R,
    machine: impl Machine,
    sockets: Sockets<R::Udp>,
    links: Links,
    observer: impl Observer,
) {
    let mut alarm = Alarm::new(|at| runtime.sleep_until(at));
    let mut driver = Driver {
        runtime,
        machine,
        sockets,
        observer,
        facts: Some(Box::pin(links.facts)),
        calls: links.calls,
        batch: Batch::default(),
        outbox: Outbox::default(),
        traffic: Traffic::default(),
        answers: VecDeque::new(),
        requests: HashMap::new(),
        last_request: 0,
        connections: HashMap::new(),
        turns: 0,
        reads: 0,
        end: None,
    };
    while driver.end.is_none_or(|end| runtime.now() < end) {
        let turn = poll_fn(|cx| driver.poll_turn(cx, &mut alarm)).await;
        let now = runtime.now();
        driver.feed(now, turn);
        driver.walk(now).await;
    }
}

struct Driver<'r, R: Runtime, M, O> {
    runtime: &'r R,
    machine: M,
    sockets: Sockets<R::Udp>,
    observer: O,
    /// `None` once all senders are gone.
    facts: Option<Pin<Box<Receiver<Fact>>>>,
    calls: Sender<Errand>,
    batch: Batch,
    outbox: Outbox,
    /// Since the observer heard of it last.
    traffic: Traffic,
    /// Facts that our own errands brought; they wait for their turn.
    answers: VecDeque<Answer>,
    /// Looked up only: the order of hash maps must not reach the machine.
    requests: HashMap<RequestId, Sender<Reply>>,
    last_request: u64,
    /// Looked up only, as above.
    connections: HashMap<ConnectionId, Sender<ToPeer>>,
    /// Turns since the other tasks had theirs.
    turns: u32,
    /// Reads since the facts were looked at.
    reads: u32,
    end: Option<Instant>,
}

/// What the driver does next.
enum Turn {
    /// The batch holds what a socket brought.
    Read,
    FailedRead,
    Answer(Answer),
    Fact(Fact),
    /// All senders of facts are gone.
    Alone,
    /// Something may be due.
    Alarm,
}

/// A fact that an errand of the machine's brings at once.
enum Answer {
    Bound { bind: BindId, result: Result<SocketAddr, String> },
    Lost { connection: ConnectionId },
    NotCalled { call: CallId, why: &'static str },
}

impl<R: Runtime, M: Machine, O: Observer> Driver<'_, R, M, O> {
    /// Finds what to do next, always in the same order: sockets, answers, facts, the deadline.
    fn poll_turn<S, F>(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm<S, F>) -> Poll<Turn>
    where
        S: Fn(Instant) -> F,
        F: Future<Output = ()>,
    {
        if self.turns == TURNS {
            self.turns = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.turns += 1;
        let sated = self.reads == READS;
        if !sated && let read @ Poll::Ready(_) = self.poll_read(cx) {
            return read;
        }
        self.reads = 0;
        if let told @ Poll::Ready(_) = self.poll_told(cx) {
            return told;
        }
        if sated && let read @ Poll::Ready(_) = self.poll_read(cx) {
            return read;
        }
        if alarm.poll(cx, self.wake_at()).is_ready() {
            return Poll::Ready(Turn::Alarm);
        }
        self.turns = 0;
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let result = ready!(self.sockets.poll_recv(cx, &mut self.batch));
        self.reads += 1;
        Poll::Ready(if result.is_ok() { Turn::Read } else { Turn::FailedRead })
    }

    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if let Some(answer) = self.answers.pop_front() {
            return Poll::Ready(Turn::Answer(answer));
        }
        let Some(facts) = &mut self.facts else {
            return Poll::Pending;
        };
        Poll::Ready(match ready!(facts.as_mut().poll_next(cx)) {
            Some(fact) => Turn::Fact(fact),
            None => {
                self.facts = None;
                Turn::Alone
            }
        })
    }

    fn wake_at(&self) -> Instant {
        let longest = self.runtime.now() + LONGEST_SLEEP;
        [self.machine.deadline(), self.end].into_iter().flatten().fold(longest, Instant::min)
    }

    /// Feeds the machine what this turn brought, and the deadline if it has come meanwhile: so
    /// timers are as prompt under load as without.
    fn feed(&mut self, now: Instant, turn: Turn) {
        match turn {
            Turn::Read => self.read(now),
            Turn::FailedRead => self.traffic.failed_reads += 1,
            Turn::Answer(answer) => self.tell(now, answer.into()),
            Turn::Fact(fact) => self.hear(now, fact),
            Turn::Alone => self.stop(now),
            Turn::Alarm => {}
        }
        if self.machine.deadline().is_some_and(|at| at <= now) {
            self.tell(now, Input::Timeout);
        }
    }

    fn read(&mut self, now: Instant) {
        self.batch.view(|datagrams| {
            self.traffic.datagrams_in += datagrams.len() as u64;
            self.traffic.bytes_in += datagrams.iter().map(|d| d.payload.len() as u64).sum::<u64>();
            if !datagrams.is_empty() {
                self.machine.handle(now, Input::Datagrams(datagrams), &mut self.outbox);
            }
        });
    }

    fn hear(&mut self, now: Instant, fact: Fact) {
        match fact {
            Fact::Asked { request, answer } => {
                self.last_request += 1;
                let id = RequestId(self.last_request);
                self.requests.insert(id, answer);
                self.tell(now, Input::Asked { id, request });
            }
            Fact::Opened { connection, peer, host, writer } => {
                self.connections.insert(connection, writer);
                self.tell(now, Input::Opened { connection, peer, host });
            }
            // We may have told the machine that a connection is lost before its task knew.
            Fact::Said { connection, text } if self.connections.contains_key(&connection) => {
                self.tell(now, Input::Said { connection, text: &text });
            }
            Fact::Writable { connection, unsent } if self.connections.contains_key(&connection) => {
                self.tell(now, Input::Writable { connection, unsent });
            }
            Fact::Left { connection, clean } => {
                if self.connections.remove(&connection).is_some() {
                    self.tell(now, Input::Left { connection, clean });
                }
            }
            Fact::Said { .. } | Fact::Writable { .. } => {}
            Fact::Answered { call, result } => self.tell(now, Input::Answered { call, result }),
            Fact::Measured(load) => self.tell(now, Input::Measured(load)),
            Fact::Stopping => self.stop(now),
        }
    }

    fn stop(&mut self, now: Instant) {
        if self.end.is_none() {
            self.end = Some(now + GRACE);
            self.tell(now, Input::Stopping);
        }
    }

    fn tell(&mut self, now: Instant, input: Input<'_>) {
        self.machine.handle(now, input, &mut self.outbox);
    }

    /// Does what the machine left: datagrams first, then the errands in their order.
    async fn walk(&mut self, now: Instant) {
        let mut outbox = mem::take(&mut self.outbox);
        for run in outbox.transmits() {
            match self.sockets.send(&run) {
                Ok(()) => {
                    self.traffic.datagrams_out += run.datagrams().len() as u64;
                    self.traffic.bytes_out += run.payload.len() as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.traffic.dropped_runs += 1;
                }
                Err(_) => self.traffic.failed_runs += 1,
            }
        }
        for errand in outbox.errands() {
            self.run_errand(now, errand).await;
        }
        outbox.clear();
        self.outbox = outbox;
        if self.traffic != Traffic::default() {
            self.observer.traffic(&mem::take(&mut self.traffic));
        }
    }

    async fn run_errand(&mut self, now: Instant, errand: Output) {
        match errand {
            Output::Bind { bind, near } => {
                let bound = self.runtime.bind(near).await.and_then(|udp| self.sockets.add(udp));
                let result = bound.map_err(|error| error.to_string());
                self.answers.push_back(Answer::Bound { bind, result });
            }
            Output::Unbind { local } => self.sockets.remove(local),
            Output::Reply { id, reply } => {
                if let Some(answer) = self.requests.remove(&id) {
                    // Who asked may be gone, and has room otherwise.
                    answer.try_send(reply).ok();
                }
            }
            Output::Write { connection, text } => self.write(connection, ToPeer::Text(text)),
            Output::Close { connection, reason } => self.write(connection, ToPeer::Close(reason)),
            Output::Call { call, request } => {
                if let Err(error) = self.calls.try_send(Errand { call, request }) {
                    let why = match error {
                        TrySendError::Full(_) => "too many calls are under way",
                        TrySendError::Closed(_) => "this process makes no calls any more",
                    };
                    self.answers.push_back(Answer::NotCalled { call, why });
                }
            }
            Output::Report(report) => self.observer.report(now, &report),
            Output::Listen { .. }
            | Output::Unlisten { .. }
            | Output::Connect { .. }
            | Output::Read { .. }
            | Output::End { .. } => {}
        }
    }

    /// Drops a connection that is too slow: without its sender, the connection's task ends.
    fn write(&mut self, connection: ConnectionId, message: ToPeer) {
        let Some(writer) = self.connections.get(&connection) else {
            return;
        };
        // A writer that is closed already says by itself how its connection ended.
        if let Err(TrySendError::Full(_)) = writer.try_send(message) {
            self.connections.remove(&connection);
            self.answers.push_back(Answer::Lost { connection });
        }
    }
}

impl From<Answer> for Input<'_> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Bound { bind, result } => Input::Bound { bind, result },
            Answer::Lost { connection } => Input::Left { connection, clean: false },
            Answer::NotCalled { call, why } => {
                Input::Answered { call, result: Err(CallError(why.to_owned())) }
            }
        }
    }
}

/// A timer that is set anew only for an earlier instant. Deadlines mostly move on with every
/// packet; then the old timer rings early, once, instead of being replaced with every packet.
struct Alarm<S, F> {
    sleep_until: S,
    rings: Option<Instant>,
    sleep: Pin<Box<Option<F>>>,
}

impl<S: Fn(Instant) -> F, F: Future<Output = ()>> Alarm<S, F> {
    fn new(sleep_until: S) -> Self {
        Alarm { sleep_until, rings: None, sleep: Box::pin(None) }
    }

    /// Ready at `at` or earlier.
    fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if self.rings.is_none_or(|rings| at < rings) {
            self.rings = Some(at);
            self.sleep.set(Some((self.sleep_until)(at)));
        }
        let sleep = self.sleep.as_mut().as_pin_mut().expect("it was set when `rings` was");
        ready!(sleep.poll(cx));
        self.rings = None;
        Poll::Ready(())
    }
}
