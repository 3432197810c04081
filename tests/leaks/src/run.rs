//! A run: makes the twins, asks every channel, and compares.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::capabilities::Capabilities;
use crate::channels::{Asked, CHANNELS, Channel};
use crate::client::{Answer, Client, Request};
use crate::compare::{parting, told};
use crate::criteria::is_made;
use crate::exports;
use crate::random::Random;
use crate::report::{Difference, Report};
use crate::samples::{OF_NO_PERSON, sample};
use crate::scenarios;
use crate::timing;
use crate::twins::{HIDDEN, Kind, Maker, Twin};

/// Pages of one set that are walked at most.
const PAGES_MAX: usize = 12;

/// Criteria that much of a twin's data fulfils.
const DIRECT: [&str; 5] =
    ["?identifier=", "?_id=@", "?patient=Patient/@Patient@", "?subject=Patient/@Patient@", "?_lastUpdated="];

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The FHIR base URL.
    pub base: String,
    /// The token of the client that makes the twins.
    pub custodian_token: String,
    /// The token of the client that is tested.
    pub viewer_token: String,
    /// The viewer as a Consent names it: `Organization/…`.
    pub viewer: String,
    /// The purpose of use of the viewer's token.
    pub purpose: String,
    /// Comparisons to make.
    pub checks: usize,
    /// The seed of their choice and order.
    pub seed: u64,
    /// Requests at once.
    pub at_once: usize,
    /// How often the median of one side of the timing may be that of the other.
    pub timing_bound: f64,
    /// Samples a side of the timing.
    pub timing_samples: usize,
}

/// What a running run has at hand.
#[derive(Debug)]
pub struct Run<'r> {
    /// What it was told.
    pub options: &'r Options,
    /// What the server offers.
    pub capabilities: &'r Capabilities,
    /// The client that is tested.
    pub viewer: &'r Client,
    /// Makes and changes twins.
    pub maker: &'r Maker<'r>,
    /// The order of questions.
    pub random: Random,
    /// What was found.
    pub report: Report,
}

/// Runs the kit.
///
/// # Errors
/// The server does not answer, does not take the data of the twins, or does not show the permitted twin to the viewer: then
/// there is nothing to compare.
pub async fn run(options: &Options) -> Result<Report, String> {
    let custodian = Client::new(&options.base, &options.custodian_token)?;
    let viewer = Client::new(&options.base, &options.viewer_token)?;
    let capabilities = Capabilities::read(&viewer.send(&Request::get("metadata")).await?.json())?;
    let word = word();
    let maker = |client| Maker {
        custodian: client,
        capabilities: &capabilities,
        viewer: options.viewer.clone(),
        purpose: options.purpose.clone(),
        run: word.clone(),
    };
    let (maker, of_viewer) = (maker(&custodian), maker(&viewer));
    let report = Report { seed: options.seed, without_data: without_data(&capabilities), ..Report::default() };
    let random = Random::new(options.seed);
    let mut run = Run { options, capabilities: &capabilities, viewer: &viewer, maker: &maker, random, report };

    let own = of_viewer.make(Kind::Own).await?;
    let mut permitted = maker.make(Kind::Permitted).await?;
    add_own(&mut permitted, &own, options);
    run.is_seen(&permitted).await?;
    let sets = run.chosen(|asked| matches!(asked, Asked::Sets(_)), options.checks / 10 / 2);
    let before = run.sets(&sets, &permitted).await?;

    let mut hidden = Vec::new();
    for kind in HIDDEN {
        hidden.push(maker.make(kind).await?);
    }
    run.same_sets(&sets, &permitted, &before, "after something hidden was made").await?;
    for twin in &mut hidden {
        change(&maker, twin).await?;
    }
    run.same_sets(&sets, &permitted, &before, "after something hidden was changed").await?;

    let full = hidden.iter().max_by_key(|twin| twin.names.len()).ok_or("there are hidden twins")?;
    let mut never = maker.never(full).await?;
    for twin in &mut hidden {
        maker.complete(twin, &never).await?;
    }
    for twin in hidden.iter_mut().chain([&mut never]) {
        add_own(twin, &own, options);
    }
    scenarios::own_trail(&mut run, &hidden, &never).await?;
    let reads = run.chosen(|asked| matches!(asked, Asked::Pairs(_)), options.checks * 6 / 10 / HIDDEN.len());
    run.pairs(reads, &hidden, &never, false).await?;
    scenarios::nothing_shown(&mut run, &hidden).await?;
    exports::exports(&mut run, &hidden).await?;
    // The lists of what can be shown may have used up a small number; writes are asked all the same.
    let left = options.checks.saturating_sub(run.report.checks()).max(options.checks / 5) / HIDDEN.len();
    let writes = run.chosen(|asked| matches!(asked, Asked::Writes(_)), left);
    run.pairs(writes, &hidden, &never, true).await?;
    scenarios::cursors(&mut run).await?;
    timing::timing(&mut run, &hidden, &never).await?;
    Ok(run.report)
}

/// A word that no other run on this server has.
#[expect(clippy::disallowed_methods, reason = "a program of its own: two runs on one server must not meet")]
fn word() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", since.as_nanos())
}

fn without_data(capabilities: &Capabilities) -> Vec<String> {
    let creatable = capabilities.types.iter().filter(|served| served.offers("create"));
    let names = creatable.map(|served| served.name.as_str());
    let known = |name: &&str| !is_made(name) && !OF_NO_PERSON.contains(name);
    names.filter(known).map(str::to_owned).collect()
}

fn add_own(twin: &mut Twin, own: &Twin, options: &Options) {
    let own = own.names.iter().map(|(name, value)| (format!("Own.{name}"), value.clone()));
    twin.names.extend(own);
    twin.names.push(("viewer".to_owned(), options.viewer.clone()));
}

/// New versions, a deletion and a withdrawal within what is hidden.
async fn change(maker: &Maker<'_>, twin: &mut Twin) -> Result<(), String> {
    for name in ["Patient", "Observation", "Encounter"] {
        let Some(mut resource) = twin.value(name).and_then(|_| sample(name)) else { continue };
        resource["language"] = json!("nl");
        maker.change(twin, resource).await?;
    }
    if let Some(resource) = maker.capabilities.served("Condition").and_then(|_| sample("Condition")) {
        let mut passing = Twin { kind: twin.kind, names: twin.names.clone() };
        maker.create(&mut passing, &resource).await?;
        let path = passing.fill("Condition/@Condition@");
        maker.custodian.send(&Request::new(reqwest::Method::DELETE, path)).await?;
    }
    Ok(())
}

impl Run<'_> {
    /// Without it, everything is equal because nothing is shown.
    async fn is_seen(&self, permitted: &Twin) -> Result<(), String> {
        let request = Request::get("Patient/@Patient@").rewritten(|text| permitted.fill(text));
        let answer = self.viewer.send(&request).await?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(format!("the viewer does not see the permitted twin: {} {}", answer.status, answer.body))
    }

    /// The questions of some channels: about so many in all, a fair share of each channel, in an order by the seed.
    fn chosen(&mut self, which: impl Fn(&Asked) -> bool, about: usize) -> Vec<(&'static Channel, Request)> {
        let mut lists: Vec<(&'static Channel, Vec<Request>)> = Vec::new();
        for channel in CHANNELS.iter().filter(|channel| which(&channel.asked)) {
            let (Asked::Pairs(questions) | Asked::Writes(questions) | Asked::Sets(questions)) = channel.asked else {
                continue;
            };
            let mut list = questions(self.capabilities);
            self.random.shuffle(&mut list);
            let list = direct_first(list);
            self.report.channel(channel.name).is_offered = (channel.is_offered)(self.capabilities);
            lists.push((channel, list));
        }
        let mut chosen = Vec::new();
        while chosen.len() < about && lists.iter().any(|(_, list)| !list.is_empty()) {
            for (channel, list) in &mut lists {
                chosen.extend(list.pop().map(|request| (*channel, request)));
            }
        }
        // Channel after channel: what one of them writes must not meet what another asks.
        let place = |name: &str| CHANNELS.iter().position(|channel| channel.name == name);
        chosen.sort_by_key(|(channel, _)| place(channel.name));
        chosen
    }

    /// What each set is now.
    async fn sets(&self, sets: &[(&'static Channel, Request)], permitted: &Twin) -> Result<Vec<(u16, String)>, String> {
        let (viewer, twin) = (self.viewer.clone(), permitted.clone());
        let requests = sets.iter().map(|(_, request)| request.clone()).collect();
        at_once(self.options.at_once, requests, move |request: Request| {
            let (viewer, twin) = (viewer.clone(), twin.clone());
            async move { walked(&viewer, &request, &twin).await }
        })
        .await
    }

    async fn same_sets(
        &mut self,
        sets: &[(&'static Channel, Request)],
        permitted: &Twin,
        before: &[(u16, String)],
        when: &str,
    ) -> Result<(), String> {
        let now = self.sets(sets, permitted).await?;
        for (((channel, request), (status, then)), (_, now)) in sets.iter().zip(before).zip(now) {
            let difference = (*then != now).then(|| difference(request, when, &now, then));
            *self.report.channel(channel.name).statuses.entry(*status).or_default() += 1;
            self.report.check(channel.name, &request.path, difference);
        }
        Ok(())
    }

    async fn pairs(
        &mut self,
        questions: Vec<(&'static Channel, Request)>,
        hidden: &[Twin],
        never: &Twin,
        is_write: bool,
    ) -> Result<(), String> {
        let mut rest = questions.as_slice();
        while let Some((channel, _)) = rest.first() {
            let end = rest.iter().position(|(other, _)| other.name != channel.name).unwrap_or(rest.len());
            let (of_channel, others) = rest.split_at(end);
            self.pairs_of(channel, of_channel, hidden, never, is_write).await?;
            rest = others;
        }
        Ok(())
    }

    async fn pairs_of(
        &mut self,
        channel: &'static Channel,
        questions: &[(&'static Channel, Request)],
        hidden: &[Twin],
        never: &Twin,
        is_write: bool,
    ) -> Result<(), String> {
        let twins: Arc<Vec<Twin>> = Arc::new([never].into_iter().chain(hidden).cloned().collect());
        let requests = questions.iter().map(|(_, request)| request.clone()).collect();
        let (viewer, of_tasks) = (self.viewer.clone(), Arc::clone(&twins));
        let answers = at_once(self.options.at_once, requests, move |request: Request| {
            let (viewer, twins) = (viewer.clone(), Arc::clone(&of_tasks));
            async move {
                let mut answers = Vec::new();
                for twin in twins.iter() {
                    let answer = viewer.send(&request.rewritten(|text| twin.fill(text))).await?;
                    answers.push((answer.status, told(&answer, twin, is_write)));
                }
                Ok(answers)
            }
        })
        .await?;
        for ((_, request), answers) in questions.iter().zip(answers) {
            let Some(((status, of_never), of_hidden)) = answers.split_first() else { continue };
            *self.report.channel(channel.name).statuses.entry(*status).or_default() += 1;
            for (twin, (_, of_hidden)) in hidden.iter().zip(of_hidden) {
                let difference =
                    (of_hidden != of_never).then(|| difference(request, twin.kind.name(), of_hidden, of_never));
                self.report.check(channel.name, &request.path, difference);
            }
        }
        Ok(())
    }
}

/// Every other question one that surely meets a twin's data, as long as there are such: most criteria could find something only
/// where a server errs twice, and a small sample must not be of those alone.
fn direct_first(list: Vec<Request>) -> Vec<Request> {
    let text = |request: &Request| format!("{}{}", request.path, request.body.as_deref().unwrap_or_default());
    let is_direct = |request: &Request| {
        let text = text(request);
        let is_plain = request.method == reqwest::Method::GET && !text.contains('=');
        is_plain || DIRECT.iter().any(|criterion| text.contains(criterion))
    };
    let (direct, others): (Vec<Request>, Vec<Request>) = list.into_iter().partition(is_direct);
    let (mut direct, mut others) = (direct.into_iter(), others.into_iter());
    let mut mixed = Vec::with_capacity(direct.len() + others.len());
    // The last are asked first.
    while direct.len() + others.len() > 0 {
        mixed.extend(direct.next());
        mixed.extend(others.next());
    }
    mixed.reverse();
    mixed
}

fn difference(request: &Request, of: &str, answered: &str, otherwise: &str) -> Difference {
    let (answered, otherwise) = parting(answered, otherwise);
    Difference { asked: request.line(), of: of.to_owned(), answered, otherwise }
}

/// All pages of a set, one after the other, as they are told.
async fn walked(viewer: &Client, request: &Request, twin: &Twin) -> Result<(u16, String), String> {
    let mut request = request.rewritten(|text| twin.fill(text));
    let mut all = String::new();
    let mut first = 0;
    for page in 0..PAGES_MAX {
        let mut answer = viewer.send(&request).await?;
        first = if first == 0 { answer.status } else { first };
        if page > 0 {
            // The link of a further page to itself repeats the cursor that was asked.
            answer.body = answer.body.replace("\"self\"", "\"asked\"");
        }
        all += &told(&answer, twin, false);
        let Some(next) = next_page(viewer, &answer) else { break };
        request = Request::get(next);
    }
    Ok((first, all))
}

/// The address of the page after this one.
pub fn next_page(client: &Client, answer: &Answer) -> Option<String> {
    let json = answer.json();
    let link = json["link"].as_array()?.iter().find(|link| link["relation"] == "next")?;
    Some(client.path_of(link["url"].as_str()?))
}

/// Works on every item, so many at once; answers in the order of the items.
///
/// # Errors
/// Of the first work that fails.
pub async fn at_once<I, O, F>(
    number: usize,
    items: Vec<I>,
    work: impl Fn(I) -> F + Send + Sync + 'static,
) -> Result<Vec<O>, String>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
    F: Future<Output = Result<O, String>> + Send + 'static,
{
    let (next, items, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(items), Arc::new(work));
    let done = Arc::new(Mutex::new(Vec::with_capacity(items.len())));
    let mut tasks = JoinSet::new();
    for _ in 0..number.max(1) {
        let (next, items, work, done) = (Arc::clone(&next), Arc::clone(&items), Arc::clone(&work), Arc::clone(&done));
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(n) else { return Ok(()) };
                let output = work(item.clone()).await?;
                done.lock().await.push((n, output));
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| error.to_string()).and_then(|result: Result<(), String>| result)?;
    }
    let mut done = std::mem::take(&mut *done.lock().await);
    done.sort_by_key(|(n, _)| *n);
    Ok(done.into_iter().map(|(_, output)| output).collect())
}
