//! Many seeds: simulates and judges each, on as many threads as there are, and counts.
//!
//! Seeds do not know of each other, so the outcome of one never depends on the batch it ran in.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use whitewater_checker::Verdict;
use whitewater_checker::analysis::Analysis;
use whitewater_checker::ranking;
use whitewater_server::Mutant;

use super::weather::Weather;
use super::{judge, simulate};
use crate::plan::{Plan, PlanSettings, WorkloadPlan};

/// What is simulated.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// The seeds.
    pub(crate) seeds: RangeInclusive<u64>,
    /// Number of nodes; `None`: each seed draws its own.
    pub(crate) nodes: Option<u32>,
    /// Length of each fault phase.
    pub(crate) time_ms: u64,
    /// What clients do.
    pub(crate) workload: WorkloadPlan,
    /// The fault families.
    pub(crate) families: Vec<String>,
    /// A plan that every seed carries out in place of its own.
    pub(crate) given: Option<Plan>,
    /// The mutant.
    pub(crate) mutant: Option<Mutant>,
    /// Worker threads.
    pub(crate) threads: usize,
}

/// What became of one seed.
#[derive(Clone, Debug)]
pub(crate) struct SeedOutcome {
    /// The seed.
    pub(crate) seed: u64,
    /// Number of nodes.
    pub(crate) nodes: u32,
    /// What its run came to.
    pub(crate) verdict: Verdict,
    /// Stands for its history.
    pub(crate) hash: u64,
    /// How much time passed in it.
    pub(crate) simulated: Duration,
    /// How many things happened in it.
    pub(crate) happened: u64,
    /// Every check that found a violation in it.
    pub(crate) broken: Vec<String>,
    /// Where it did not pass: the finding that leads its report.
    pub(crate) finding: Option<Found>,
}

/// What leads the report of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which check fired.
    pub(crate) check: String,
    /// The class.
    pub(crate) anomaly: String,
    /// In one sentence.
    pub(crate) headline: String,
    /// How far into the run it became certain; `None`: at its end.
    pub(crate) after: Option<Duration>,
}

/// What became of all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    /// By seed.
    pub(crate) seeds: Vec<SeedOutcome>,
    /// Time on the wall.
    pub(crate) wall: Duration,
    /// Time of all cores together, simulating and judging.
    pub(crate) cpu: Duration,
    /// Threads that worked.
    pub(crate) threads: usize,
}

impl Batch {
    /// Number of nodes of one seed.
    pub(crate) fn nodes(&self, seed: u64) -> u32 {
        let given = self.given.as_ref().map(|plan| plan.nodes);
        given.or(self.nodes).unwrap_or_else(|| Weather::nodes(seed))
    }

    /// The plan of one seed.
    pub(crate) fn plan(&self, seed: u64) -> Result<Plan, String> {
        let mut plan = match &self.given {
            Some(given) => Plan { seed, ..given.clone() },
            None => Plan::new(PlanSettings {
                seed,
                nodes: self.nodes(seed),
                time_ms: self.time_ms,
                workload: self.workload.clone(),
                families: self.families.clone(),
                is_led: true,
                snapshot_entries: None,
            })?,
        };
        // The weather's own plots may have a node down that a planned fault was to strike. So that the
        // leader was hit and spared is asked of all families together, as every seed has to be judged.
        let families = std::mem::take(&mut plan.requirements.families);
        plan.requirements.leader_hit = families.values().any(|it| it.leader_hit);
        plan.requirements.leader_spared = families.values().any(|it| it.leader_spared);
        // What strikes beside the plan takes its time too, and a seed is to be judged: half of what a run has to
        // come to is enough.
        for minimum in plan.requirements.operations_ok_min.values_mut() {
            minimum.during /= 2;
        }
        Ok(plan.within(Some(Weather::of(seed).promises(self.nodes(seed)))))
    }

    /// Simulates every seed. `tell` hears of each as it is done, in no order.
    pub(crate) fn run(&self, tell: impl Fn(&SeedOutcome) + Sync) -> Result<Summary, String> {
        // Each is checked before the first is lived through: how many nodes there are differs.
        self.seeds.clone().try_for_each(|seed| self.plan(seed).map(drop))?;
        let (started, cpu_before) = (Instant::now(), cpu_time());
        let next = AtomicU64::new(*self.seeds.start());
        let outcomes = Mutex::new(Vec::new());
        let threads = self.threads.max(1);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed > *self.seeds.end() {
                            return;
                        }
                        let outcome = self.seed(seed);
                        tell(&outcome);
                        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                    }
                });
            }
        });
        let mut seeds = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        seeds.sort_by_key(|outcome| outcome.seed);
        let cpu = cpu_time().saturating_sub(cpu_before);
        Ok(Summary { seeds, wall: started.elapsed(), cpu, threads })
    }

    fn seed(&self, seed: u64) -> SeedOutcome {
        let plan = self.plan(seed).expect("every seed's plan was made once before");
        let run = simulate(&plan, self.mutant);
        let analysis = judge(&plan, &run);
        SeedOutcome {
            seed,
            nodes: plan.nodes,
            verdict: analysis.verdict,
            hash: run.hash(),
            simulated: Duration::from_nanos(run.simulated_ns),
            happened: run.happened,
            broken: analysis.broken(),
            finding: found(&analysis),
        }
    }
}

/// The time that this process has used of all cores.
fn cpu_time() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let duration = |time: nix::sys::time::TimeVal| {
        let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0))
            + Duration::from_micros(micros)
    };
    duration(usage.user_time()) + duration(usage.system_time())
}

/// The finding that leads the run's report.
fn found(analysis: &Analysis) -> Option<Found> {
    let (check, finding) = ranking::leading(analysis)?;
    Some(Found {
        check: check.name.clone(),
        anomaly: finding.anomaly.clone(),
        headline: finding.headline.clone(),
        after: finding.at_ns.map(Duration::from_nanos),
    })
}

impl Summary {
    /// The seeds whose run came to this.
    pub(crate) fn of(&self, verdict: Verdict) -> impl Iterator<Item = &SeedOutcome> {
        self.seeds.iter().filter(move |outcome| outcome.verdict == verdict)
    }

    /// The worst verdict of all.
    pub(crate) fn verdict(&self) -> Verdict {
        self.seeds.iter().map(|outcome| outcome.verdict).max().unwrap_or(Verdict::Undecided)
    }

    /// Every check that found a violation in some seed.
    pub(crate) fn broken(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.seeds.iter().flat_map(|seed| &seed.broken).collect();
        names.into_iter().cloned().collect()
    }

    /// Simulated time of all seeds.
    pub(crate) fn simulated(&self) -> Duration {
        self.seeds.iter().map(|outcome| outcome.simulated).sum()
    }

    /// Simulated seconds for each second that one core worked; what else the machine does meanwhile
    /// does not count.
    pub(crate) fn speed(&self) -> f64 {
        self.simulated().as_secs_f64() / self.cpu.as_secs_f64().max(1e-9)
    }

    /// How long it took to find a violation, over the seeds that have one: the median.
    pub(crate) fn median_detection(&self) -> Option<Duration> {
        let mut times: Vec<Duration> = self
            .of(Verdict::Violation)
            .map(|outcome| {
                outcome.finding.as_ref().and_then(|it| it.after).unwrap_or(outcome.simulated)
            })
            .collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// Which checks lead the reports, most often first.
    pub(crate) fn checks(&self) -> Vec<(String, usize)> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        let found = self.of(Verdict::Violation).filter_map(|outcome| outcome.finding.as_ref());
        for Found { check, .. } in found {
            match counts.iter_mut().find(|(name, _)| name == check) {
                Some((_, count)) => *count += 1,
                None => counts.push((check.clone(), 1)),
            }
        }
        counts.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        counts
    }
}
