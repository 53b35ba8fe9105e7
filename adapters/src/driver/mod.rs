//! The one event loop: it waits for facts, feeds them to the machine and does the errands that the
//! machine leaves. It knows neither what the machine is nor which runtime it waits on.

mod alarm;
mod hear;
mod walk;

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use farcast_core::cores::Word;
use farcast_core::http::Reply;
use farcast_core::machine::{
    self, BindId, CallId, ConnectionId, Door, Input, Machine, RequestId, StreamId,
};
use farcast_core::outbox::Outbox;
use futures_lite::Stream;

use crate::batch::Batch;
use crate::cores::Mailbox;
use crate::door::{Arrival, Seat};
use crate::gate::Gate;
use crate::link::{Errand, Fact, ToPeer};
use crate::observer::{Observer, Traffic};
use crate::reach::{self, Reach};
use crate::runtime::Runtime;
use crate::sockets::{self, Sockets};
use crate::streams::{self, Streams, Wire};
use alarm::Alarm;
use walk::send;

/// Reads of sockets in a row before others get their turn. One read may bring megabytes.
const READS: u32 = 4;
/// Turns in a row before the other tasks of this thread get theirs.
const TURNS: u32 = 32;
/// The longest that the driver sleeps without looking at the machine's deadline again.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// From the end of [`Input::Stopping`] to the end of the driver, so that the machine's goodbyes and
/// the tasks' last replies leave this process.
const GRACE: Duration = Duration::from_millis(200);

/// How the tasks around the driver reach it and are reached.
pub struct Links<T> {
    /// Byte streams that somebody opened; when all senders are gone, none will be.
    pub arrivals: Receiver<Arrival<T>>,
    /// What the tasks tell. When all senders are gone, the driver stops the machine.
    pub facts: Receiver<Fact>,
    /// Takes the calls that the machine wants made.
    pub calls: Sender<Errand>,
    /// The other cores of the node.
    pub cores: Mailbox,
}

/// Runs the machine until it has been told to stop.
pub async fn run<R: Runtime>(
    runtime: &R,
    machine: impl Machine,
    sockets: Sockets<R::Udp>,
    links: Links<R::Tcp>,
    observer: impl Observer,
) {
    let mut alarm = Alarm::new(|at| runtime.sleep_until(at));
    let mut driver = Driver {
        runtime,
        machine,
        sockets,
        streams: Streams::default(),
        reach: Reach::default(),
        arrivals: Some(Box::pin(links.arrivals)),
        arrivals_gate: Gate::default(),
        observer,
        facts: Some(Box::pin(links.facts)),
        facts_gate: Gate::default(),
        calls: links.calls,
        cores: links.cores,
        batch: Batch::default(),
        outbox: Outbox::default(),
        traffic: Traffic::default(),
        answers: VecDeque::new(),
        requests: HashMap::new(),
        last_request: 0,
        connections: HashMap::new(),
        turns: 0,
        source: 0,
        in_a_row: 0,
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
    streams: Streams<R::Tcp>,
    reach: Reach<R>,
    /// `None` once all senders are gone.
    arrivals: Option<Arrivals<R::Tcp>>,
    arrivals_gate: Gate,
    observer: O,
    /// `None` once all senders are gone.
    facts: Option<Pin<Box<Receiver<Fact>>>>,
    facts_gate: Gate,
    calls: Sender<Errand>,
    cores: Mailbox,
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
    /// Whose turn it is, in the order of [`SOURCES`].
    source: usize,
    /// Turns that it had in a row.
    in_a_row: u32,
    end: Option<Instant>,
}

type Arrivals<T> = Pin<Box<Receiver<Arrival<T>>>>;

/// Where facts come from.
#[derive(Clone, Copy)]
enum Source {
    Sockets,
    Streams,
    Cores,
    Reach,
    Arrivals,
    Told,
}

/// All of them, in the order of their turns.
const SOURCES: [Source; 6] = [
    Source::Sockets,
    Source::Streams,
    Source::Cores,
    Source::Reach,
    Source::Arrivals,
    Source::Told,
];

impl Source {
    /// Turns that it may have in a row.
    fn turns(self) -> u32 {
        match self {
            Source::Sockets | Source::Streams | Source::Cores => READS,
            Source::Reach | Source::Arrivals | Source::Told => 1,
        }
    }
}

/// What the driver does next.
enum Turn<R: Runtime> {
    /// A socket brought something.
    Socket(sockets::News),
    /// A stream did, or was written to.
    Stream(streams::News),
    Reach(reach::News<R>),
    /// Another core told something.
    Word(Word),
    Arrival(Box<Arrival<R::Tcp>>),
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
    Listening { bind: BindId, result: Result<SocketAddr, String> },
    Lost { connection: ConnectionId },
    NotCalled { call: CallId, why: &'static str },
    Untold(Word),
}

impl<R: Runtime, M: Machine, O: Observer> Driver<'_, R, M, O> {
    /// Finds what to do next, always in the same order: what writing to streams has changed, the
    /// sources in turn, the deadline.
    fn poll_turn<S, F>(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm<S, F>) -> Poll<Turn<R>>
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
        if let Some(news) = self.streams.next_change() {
            return Poll::Ready(Turn::Stream(news));
        }
        for _ in SOURCES {
            let source = SOURCES[self.source];
            if let turn @ Poll::Ready(_) = self.poll_source(source, cx) {
                self.in_a_row += 1;
                if self.in_a_row == source.turns() {
                    self.pass_on();
                }
                return turn;
            }
            self.pass_on();
        }
        self.source = 0;
        if alarm.poll(cx, self.wake_at()).is_ready() {
            return Poll::Ready(Turn::Alarm);
        }
        self.turns = 0;
        Poll::Pending
    }

    fn pass_on(&mut self) {
        self.source = (self.source + 1) % SOURCES.len();
        self.in_a_row = 0;
    }

    fn poll_source(&mut self, source: Source, cx: &mut Context<'_>) -> Poll<Turn<R>> {
        match source {
            Source::Sockets => self.sockets.poll(cx, &mut self.batch).map(Turn::Socket),
            Source::Streams => self.streams.poll(cx).map(Turn::Stream),
            Source::Cores => self.cores.poll(cx).map(Turn::Word),
            Source::Reach => self.reach.poll(cx, self.runtime).map(Turn::Reach),
            Source::Arrivals => self.poll_arrivals(cx),
            Source::Told => self.poll_told(cx),
        }
    }

    fn poll_arrivals(&mut self, cx: &mut Context<'_>) -> Poll<Turn<R>> {
        let Some(arrivals) = &mut self.arrivals else {
            return Poll::Pending;
        };
        let arrival = self.arrivals_gate.poll(cx, |cx| arrivals.as_mut().poll_next(cx));
        if let Some(arrival) = ready!(arrival) {
            return Poll::Ready(Turn::Arrival(Box::new(arrival)));
        }
        self.arrivals = None;
        Poll::Pending
    }

    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Turn<R>> {
        if let Some(answer) = self.answers.pop_front() {
            return Poll::Ready(Turn::Answer(answer));
        }
        let Some(facts) = &mut self.facts else {
            return Poll::Pending;
        };
        let fact = self.facts_gate.poll(cx, |cx| facts.as_mut().poll_next(cx));
        Poll::Ready(match ready!(fact) {
            Some(fact) => Turn::Fact(fact),
            None => {
                self.facts = None;
                Turn::Alone
            }
        })
    }

    fn wake_at(&self) -> Instant {
        let longest = self.runtime.now() + LONGEST_SLEEP;
        let streams = self.streams.deadline();
        [self.machine.deadline(), streams, self.end]
            .into_iter()
            .flatten()
            .fold(longest, Instant::min)
    }

    /// Feeds the machine what this turn brought, and the deadline if it has come meanwhile: so
    /// timers are as prompt under load as without.
    fn feed(&mut self, now: Instant, turn: Turn<R>) {
        match turn {
            Turn::Socket(sockets::News::Datagrams) => self.read(now),
            Turn::Socket(sockets::News::Unreachable { local, peer, icmp }) => {
                self.tell(now, Input::Unreachable { local, peer, icmp });
            }
            Turn::Socket(sockets::News::Failed(_)) => self.traffic.failed_reads += 1,
            Turn::Stream(news) => {
                self.machine.handle(now, self.streams.input(&news), &mut self.outbox);
                self.finish(now);
            }
            Turn::Reach(news) => self.reached(now, news),
            Turn::Word(word) => self.tell(now, Input::Told(word)),
            Turn::Arrival(arrival) => self.arrived(now, *arrival),
            Turn::Answer(answer) => self.tell(now, answer.into()),
            Turn::Fact(fact) => self.hear(now, fact),
            Turn::Alone => self.stop(now),
            Turn::Alarm => {}
        }
        self.streams.expire(now);
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
        self.finish(now);
    }

    fn reached(&mut self, now: Instant, news: reach::News<R>) {
        match news {
            reach::News::Connected { connect, result } => {
                let result = result.and_then(|stream| {
                    let local = self.runtime.near_end(&stream)?;
                    let stream = self.open(Wire::new(stream), None);
                    Ok((stream.ok_or_else(|| io::Error::other("too many streams"))?, local))
                });
                let result = result.map_err(|error| error.to_string());
                self.tell(now, Input::Connected { connect, result });
            }
            reach::News::Accepted { stream, peer } => {
                // Who has no address any more has left again.
                let Ok(local) = self.runtime.near_end(&stream) else { return };
                if let Some(stream) = self.open(Wire::new(stream), None) {
                    let door = Door::Listener;
                    self.tell(now, Input::Accepted { stream, door, local, peer });
                }
            }
        }
    }

    fn arrived(&mut self, now: Instant, arrival: Arrival<R::Tcp>) {
        let Arrival { wire, door, local, peer, seat } = arrival;
        if let Some(stream) = self.open(wire, Some(seat)) {
            self.tell(now, Input::Accepted { stream, door, local, peer });
        }
    }

    /// The new stream's name; `None` if there are too many.
    fn open(&mut self, wire: Wire<R::Tcp>, seat: Option<Seat>) -> Option<StreamId> {
        (!self.streams.is_full()).then(|| self.streams.add(wire, seat))
    }

    fn tell(&mut self, now: Instant, input: Input<'_>) {
        self.machine.handle(now, input, &mut self.outbox);
        self.finish(now);
    }

    /// Lets the machine finish what a fact has begun.
    fn finish(&mut self, now: Instant) {
        let Driver { machine, sockets, streams, traffic, outbox, .. } = self;
        machine::finish(machine, now, outbox, |outbox| send(sockets, streams, traffic, outbox));
    }
}
