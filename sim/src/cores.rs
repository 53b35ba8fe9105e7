//! All cores of a node as one machine, for worlds that have no threads. It plays the kernel's part
//! as well: each sender's datagrams reach one core, by chance.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use farcast_core::config::{Birth, Config};
use farcast_core::cores::{CoreId, Word};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::machine::{self, BindId, Datagram, Input, Machine, Output};
use farcast_core::node::Node;
use farcast_core::outbox::Outbox;
use farcast_core::seed::Seed;

/// A node.
pub struct Cores {
    nodes: Vec<Node>,
    /// Sockets that one core had bound; the others are shared by all.
    owners: HashMap<SocketAddr, CoreId>,
    /// Who wants what bound, and calls it what: their own names may be the same.
    binding: HashMap<BindId, (CoreId, BindId)>,
    next_bind: u64,
    /// Who gets which sender's datagrams.
    flows: HashMap<(SocketAddr, SocketAddr), CoreId>,
    seed: Seed,
    words: VecDeque<(CoreId, Word)>,
    /// For the world.
    errands: Vec<Output>,
    /// Lent to one core after the other.
    outbox: Outbox,
}

impl Cores {
    /// A node with as many cores as its configuration says.
    pub fn new(config: Config, birth: Birth, crypto: Crypto) -> Self {
        let mut seed = Seed::new(birth.seed);
        let mut node = |core: usize| {
            let seed = if core == 0 { birth.seed } else { seed.bytes() };
            Node::on_core(CoreId(core), config.clone(), Birth { seed, ..birth }, crypto.clone())
        };
        Cores {
            nodes: (0..config.cores.max(1)).map(&mut node).collect(),
            owners: HashMap::new(),
            flows: HashMap::new(),
            binding: HashMap::new(),
            next_bind: 0,
            seed,
            words: VecDeque::new(),
            errands: Vec::new(),
            outbox: Outbox::default(),
        }
    }

    fn datagrams(&mut self, now: Instant, datagrams: &[Datagram<'_>], out: &mut Outbox) {
        for datagram in datagrams {
            let core = match self.owners.get(&datagram.local) {
                Some(owner) => *owner,
                None => self.flow(datagram),
            };
            self.give(now, core, Input::Datagrams(&[*datagram]), out);
        }
    }

    fn flow(&mut self, datagram: &Datagram<'_>) -> CoreId {
        let chosen = CoreId(self.seed.below(self.nodes.len() as u32) as usize);
        *self.flows.entry((datagram.peer, datagram.local)).or_insert(chosen)
    }

    fn bound(
        &mut self,
        now: Instant,
        bind: BindId,
        result: Result<SocketAddr, String>,
        out: &mut Outbox,
    ) {
        let Some((core, bind)) = self.binding.remove(&bind) else { return };
        if let Ok(local) = result {
            self.owners.insert(local, core);
        }
        self.give(now, core, Input::Bound { bind, result }, out);
    }

    /// Gives a fact to a core, and collects what it tells the others.
    fn give(&mut self, now: Instant, core: CoreId, input: Input<'_>, out: &mut Outbox) {
        let mut own = std::mem::take(&mut self.outbox);
        let node = &mut self.nodes[core.0];
        node.handle(now, input, &mut own);
        machine::finish(node, now, &mut own, |own| pass_on(own, out));
        pass_on(&own, out);
        for errand in own.errands() {
            match errand {
                Output::Tell { core, word } => self.words.push_back((core, word)),
                Output::Bind { bind, near } => {
                    self.next_bind += 1;
                    self.binding.insert(BindId(self.next_bind), (core, bind));
                    let bind = BindId(self.next_bind);
                    self.errands.push(Output::Bind { bind, near });
                }
                other => self.errands.push(other),
            }
        }
        own.clear();
        self.outbox = own;
    }
}

/// Puts the datagrams and bytes of one core into the node's outbox.
fn pass_on(own: &Outbox, out: &mut Outbox) {
    for run in own.transmits() {
        run.datagrams().for_each(|datagram| out.send(run.local, run.peer, datagram));
    }
    own.writes().for_each(|(stream, bytes)| out.write(stream, &[bytes]));
}

impl Machine for Cores {
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        if let [node] = &mut self.nodes[..] {
            return node.handle(now, input, out);
        }
        match input {
            Input::Datagrams(datagrams) => self.datagrams(now, datagrams, out),
            Input::Bound { bind, result } => self.bound(now, bind, result, out),
            Input::Timeout | Input::Stopping => {
                for core in (0..self.nodes.len()).map(CoreId) {
                    let input = match input {
                        Input::Stopping => Input::Stopping,
                        _ => Input::Timeout,
                    };
                    self.give(now, core, input, out);
                }
            }
            other => self.give(now, CoreId::FIRST, other, out),
        }
        while let Some((core, word)) = self.words.pop_front() {
            self.give(now, core, Input::Told(word), out);
        }
        self.errands.drain(..).for_each(|errand| out.push(errand));
    }

    fn deadline(&self) -> Option<Instant> {
        self.nodes.iter().filter_map(Machine::deadline).min()
    }
}
