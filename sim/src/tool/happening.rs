//! What happens in a story, in words for charts: when, and what.

use std::net::IpAddr;

use crate::plan::{Action, Plan};

/// Something that happens.
pub(super) struct Happening {
    /// In seconds.
    pub(super) at: f64,
    pub(super) what: String,
}

/// Everything that happens, faults of the seed included.
pub(super) fn all(plan: &Plan) -> Vec<Happening> {
    let happening = |(at, action): &(_, _)| {
        let at: &std::time::Duration = at;
        Happening { at: at.as_secs_f64(), what: words(plan, action) }
    };
    plan.events.iter().map(happening).collect()
}

fn words(plan: &Plan, action: &Action) -> String {
    let node = |node: &usize| plan.nodes[*node].name.as_str();
    let city = |city: &usize| plan.atlas.cities[*city].name.as_str();
    match action {
        Action::Kill(dead) => format!("{} dies", node(dead)),
        Action::Stop(ended) => format!("{} ends", node(ended)),
        Action::Start(new) => format!("{} starts", node(new)),
        Action::Cut(a, b) => format!("{} – {} cut", host(plan, *a), host(plan, *b)),
        Action::Heal(a, b) => format!("{} – {} healed", host(plan, *a), host(plan, *b)),
        Action::Squeeze(person, Some(kbps)) => {
            format!("{} is squeezed to {kbps} kbit/s", plan.people[*person].name)
        }
        Action::Squeeze(person, None) => format!("{} is released", plan.people[*person].name),
        Action::Roam(person) => format!("{} roams", plan.people[*person].name),
        Action::Change(a, b, line) => {
            let (rtt, loss) = (line.rtt_ms, line.loss_percent);
            format!("{} – {}: {rtt} ms, {loss} % loss", city(a), city(b))
        }
    }
}

fn host(plan: &Plan, ip: IpAddr) -> &str {
    let node = plan.nodes.iter().find(|node| node.ip == ip).map(|node| &node.name);
    let person = || plan.people.iter().find(|person| person.at.ip() == ip);
    node.or_else(|| person().map(|person| &person.name)).map_or("?", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;

    #[test]
    fn events_are_told_in_order_by_the_names_of_the_story() {
        let story = Story::named("ocean-cable-cut").expect("it comes with the program");
        let plan = Plan::new(story, 1).expect("it can be");
        let all: Vec<_> = all(&plan).into_iter().map(|told| (told.at, told.what)).collect();
        let cut = |at, how: &str| (at, format!("origin – edge1 {how}"));
        assert_eq!(all, [cut(10.0, "cut"), cut(14.0, "healed")]);
    }
}
