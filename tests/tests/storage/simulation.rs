//! The queue under a simulated world: workers that die and sleep, a network that loses requests and answers, partners that fail,
//! withdrawals and operators. A seed decides everything, the clock included; what leases and settles is the real storage, what follows
//! from an attempt the real rule.
//!
//! `WELLGATE_SIMULATION_SEEDS=10000` runs more than the sample, `WELLGATE_SIMULATION_FROM=1234` begins with a seed.

use std::collections::BTreeMap;

use connectors::delivery::{Cause, Inquiry, Outcome};
use gateway::queue::{Attempts, Leased, Told, next};
use gateway::storage::delivery::{Delivery, NewDelivery, Settlement};
use gateway::storage::write_set::{Precondition, ResourceKey, VersionId, WriteSet};
use gateway::storage::{StorageError, Store};
use serde_json::Value;

use crate::world::{NOW_MS, set, stores};

const SAMPLE: u64 = 200;
const LEASE_MS: i64 = 120_000;
const ATTEMPTS: Attempts = Attempts { sends_max: 6, inquiries_max: 4 };
/// Deliveries of a world, and steps in which things go wrong.
const DELIVERIES: u64 = 6;
const STEPS: u64 = 24;
/// Then all goes well, long enough for the longest wait.
const CALM_ROUNDS: i64 = 12;
const HOUR_MS: i64 = 3_600_000;

/// Numbers that a seed decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// Whether a partner takes a reference twice as once, and whether it can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Idempotent,
    Asked,
    Mute,
}

struct World<'s> {
    seed: u64,
    store: &'s Store,
    dice: Dice,
    manner: Manner,
    now_ms: i64,
    is_calm: bool,
    /// How often each reference arrived.
    arrived: BTreeMap<String, u32>,
    /// References that the partner refused for good.
    refused: Vec<String>,
    /// What a worker found out and has not reported yet: it sleeps.
    asleep: Vec<(Delivery, Told)>,
    /// Deliveries that were voided or abandoned from outside.
    stopped: Vec<String>,
}

impl World<'_> {
    fn partner(&self) -> String {
        format!("partner-{:08}", self.seed)
    }

    fn id(&self, n: u64) -> String {
        format!("{:08}-{n}", self.seed)
    }

    async fn queue(&self) {
        let delivery = |n: u64| NewDelivery {
            compartment: format!("record-{}", self.seed),
            id: self.id(n),
            partner: self.partner(),
            kind: "status".into(),
            resource_type: "Task",
            // Two are about the same.
            resource_id: format!("task-{}", n / 2),
            version: VersionId(1),
            due_ms: self.now_ms,
        };
        self.store.apply(set!(deliveries: (0..DELIVERIES).map(delivery).collect(),)).await.expect("queued");
    }

    fn cause() -> Cause {
        Cause::new("simulated", "the dice said so")
    }

    /// What the partner and the network make of one request.
    fn meet(&mut self, delivery: &Delivery) -> Told {
        let dice = if self.is_calm { 0 } else { self.dice.roll(8) };
        if delivery.asks {
            return Told::Asked(match (self.manner, dice) {
                (Manner::Mute, _) => Inquiry::Impossible,
                (_, 1 | 2) => Inquiry::Unanswered(Self::cause(), None),
                _ if self.refused.contains(&delivery.id) => Inquiry::Refused(Self::cause()),
                _ if self.arrived.contains_key(&delivery.id) => Inquiry::Has(Value::Null),
                _ => Inquiry::HasNot,
            });
        }
        Told::Sent(match dice {
            1 => Outcome::Retry(Self::cause(), None),
            2 => {
                self.refused.push(delivery.id.clone());
                Outcome::Rejected(Self::cause())
            }
            // Lost on the way there.
            3 => Outcome::Uncertain(Self::cause()),
            outcome => {
                *self.arrived.entry(delivery.id.clone()).or_default() += 1;
                // Lost on the way back.
                if outcome == 4 { Outcome::Uncertain(Self::cause()) } else { Outcome::Delivered(Value::Null) }
            }
        })
    }

    async fn work(&mut self) {
        let until_ms = self.now_ms + LEASE_MS;
        let at_once = if self.is_calm { 16 } else { 1 + u32::try_from(self.dice.roll(3)).expect("it is small") };
        let leased =
            self.store.lease_deliveries(&self.partner(), self.now_ms, until_ms, at_once).await.expect("it answers");
        assert!(leased.len() <= usize::try_from(at_once).expect("it is small"), "seed {}", self.seed);
        for delivery in leased {
            let fate = if self.is_calm { 0 } else { self.dice.roll(6) };
            if fate == 1 {
                // The worker dies before it does anything.
                continue;
            }
            let told = self.meet(&delivery);
            match fate {
                // It dies before it reports.
                2 => {}
                3 => self.asleep.push((delivery, told)),
                _ => self.report(&delivery, &told).await,
            }
        }
    }

    async fn report(&mut self, delivery: &Delivery, told: &Told) {
        let is_idempotent = self.manner == Manner::Idempotent;
        let leased = Leased { sends: delivery.attempts, inquiries: delivery.inquiries, is_idempotent };
        let next = next(leased, told, ATTEMPTS, self.now_ms, 0.5);
        let settlement = Settlement {
            compartment: delivery.compartment.clone(),
            id: delivery.id.clone(),
            fence: delivery.fence,
            state: next.state.code(),
            due_ms: next.due_ms,
            asks: next.asks,
            was_asked: delivery.asks,
            cause: next.cause.map(|cause| cause.code).unwrap_or_default(),
            cause_text: String::new(),
            settled_ms: 0,
        };
        match self.store.apply(under_fence(delivery, settlement)).await {
            Ok(()) | Err(StorageError::Moved) => {}
            Err(error) => panic!("seed {}: {error}", self.seed),
        }
    }

    /// Somebody withdraws what two of them are about, or an operator gives one up.
    async fn stop_something(&mut self) {
        let n = self.dice.roll(DELIVERIES);
        if self.dice.roll(2) == 0 {
            let key = ResourceKey {
                compartment: format!("record-{}", self.seed),
                resource_type: "Task",
                id: format!("task-{}", n / 2),
            };
            self.store.apply(set!(voided_deliveries: vec![key],)).await.expect("nothing is asked");
            self.stopped.extend([self.id(n / 2 * 2), self.id(n / 2 * 2 + 1)]);
            return;
        }
        let delivery = self.store.delivery(&self.id(n)).await.expect("it answers").expect("it is there");
        if gateway::delivery::Decided::Abandon.objection(&delivery).is_none() {
            self.stopped.push(delivery.id.clone());
            let settlement = Settlement {
                compartment: delivery.compartment.clone(),
                id: delivery.id.clone(),
                fence: delivery.fence,
                state: "abandoned",
                due_ms: i64::MAX,
                asks: false,
                was_asked: false,
                cause: "operator".to_owned(),
                cause_text: String::new(),
                settled_ms: self.now_ms,
            };
            self.store.apply(under_fence(&delivery, settlement)).await.expect("nobody else is there");
        }
    }

    async fn run(&mut self) {
        self.queue().await;
        for _ in 0..STEPS {
            match self.dice.roll(8) {
                0 => self.now_ms += LEASE_MS,
                1 if !self.asleep.is_empty() => {
                    let one = usize::try_from(self.dice.roll(self.asleep.len() as u64)).expect("it is small");
                    let (delivery, told) = self.asleep.swap_remove(one);
                    self.report(&delivery, &told).await;
                }
                2 if self.dice.roll(4) == 0 => self.stop_something().await,
                _ => self.work().await,
            }
            self.now_ms += i64::try_from(self.dice.roll(60_000)).expect("it is small");
        }
        self.is_calm = true;
        for (delivery, told) in std::mem::take(&mut self.asleep) {
            self.report(&delivery, &told).await;
        }
        for _ in 0..CALM_ROUNDS {
            self.now_ms += HOUR_MS;
            self.work().await;
        }
        self.judge().await;
    }

    /// What must be so at the end of every world.
    async fn judge(&self) {
        for n in 0..DELIVERIES {
            let delivery = self.store.delivery(&self.id(n)).await.expect("it answers").expect("nothing is lost");
            let arrived = self.arrived.get(&delivery.id).copied().unwrap_or(0);
            let state = delivery.state.as_str();
            let told = format!(
                "seed {}, {:?}, {} {state} ({}), arrived {arrived}",
                self.seed, self.manner, delivery.id, delivery.cause
            );
            let is_parked = state == "uncertain" && delivery.due_ms == i64::MAX;
            let blocker =
                if n % 2 == 1 { self.store.delivery(&self.id(n - 1)).await.expect("it answers") } else { None };
            let is_behind = state == "waiting" && blocker.is_some_and(|older| older.state == "uncertain");
            // In the end everything has ended, or a person was told, or it waits behind one of which a person was told.
            let has_ended = matches!(state, "delivered" | "rejected" | "dead" | "void" | "abandoned");
            assert!(has_ended || is_parked || is_behind, "{told}");
            assert!(
                self.manner == Manner::Idempotent || arrived <= 1,
                "twice at one that does not take it twice: {told}"
            );
            assert!(state != "delivered" || arrived >= 1, "delivered and not there: {told}");
            // What is there and not called delivered, somebody stopped or has to look at.
            assert!(
                arrived == 0 || state == "delivered" || is_parked || self.stopped.contains(&delivery.id),
                "there, and nobody knows: {told}"
            );
            assert!(self.manner != Manner::Mute || arrived <= 1, "{told}");
            assert!(state != "void" || self.stopped.contains(&delivery.id), "{told}");
        }
    }
}

fn under_fence(delivery: &Delivery, settlement: Settlement) -> WriteSet {
    let fence = Precondition::Fence {
        compartment: delivery.compartment.clone(),
        id: delivery.id.clone(),
        fence: delivery.fence,
    };
    set!(preconditions: vec![fence], settlements: vec![settlement],)
}

fn number(name: &str, usual: u64) -> u64 {
    wellgate_tests::variable(name).map_or(usual, |text| text.parse().expect("a number"))
}

async fn simulate(kind: &str) {
    let (from, seeds) = (number("WELLGATE_SIMULATION_FROM", 0), number("WELLGATE_SIMULATION_SEEDS", SAMPLE));
    let Some((_, _, store)) = stores().await.into_iter().find(|(other, ..)| *other == kind) else { return };
    for seed in from..from + seeds {
        let mut dice = Dice(seed);
        let manner =
            [Manner::Idempotent, Manner::Asked, Manner::Mute][usize::try_from(dice.roll(3)).expect("it is small")];
        let mut world = World {
            seed,
            store: &store,
            dice,
            manner,
            now_ms: NOW_MS,
            is_calm: false,
            arrived: BTreeMap::new(),
            refused: Vec::new(),
            asleep: Vec::new(),
            stopped: Vec::new(),
        };
        world.run().await;
    }
    println!("{kind}: seeds {from} to {} hold", from + seeds - 1);
}

#[tokio::test]
async fn in_no_world_is_a_delivery_lost_or_there_twice_on_sqlite() {
    simulate("sqlite").await;
}

#[tokio::test]
async fn in_no_world_is_a_delivery_lost_or_there_twice_on_postgresql() {
    simulate("postgres").await;
}
