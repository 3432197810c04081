//! What the operator sees: log lines, metrics and traces. No patient data is in any of them.
//!
//! A request is known here by its method, the *template* of its route and a random id; never by its path, query,
//! headers or body. Libraries are held to `warn` whatever the level, because what they say is beyond our word on
//! patient data.

mod line;
#[cfg(feature = "otel")]
mod otlp;
mod request;

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat};

pub use request::observe;

/// Crates whose log lines are ours.
const OWN_CRATES: [&str; 4] = ["gateway", "connectors", "mappings", "wellgate"];
/// From well under a read to the longest request, in seconds.
const DURATION_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Measurements wait in memory until they are counted into their buckets; without this they would pile up unscraped.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The installed telemetry of this process.
#[derive(Debug)]
pub struct Telemetry {
    metrics: PrometheusHandle,
    #[cfg(feature = "otel")]
    traces: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Why telemetry could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A process has one log and one recorder.
    #[error("telemetry is installed already")]
    Installed,
    /// The exporter of traces cannot be built.
    #[error("telemetry.otlp_endpoint: {0}")]
    Export(String),
}

impl Telemetry {
    /// Installs log, metrics and, with an endpoint, traces for the whole process.
    ///
    /// # Errors
    /// See [`TelemetryError`].
    pub fn install(log: LogConfig, otlp_endpoint: Option<&str>) -> Result<Self, TelemetryError> {
        #[cfg(feature = "otel")]
        let traces = otlp_endpoint.map(otlp::provider).transpose()?;
        #[cfg(not(feature = "otel"))]
        if otlp_endpoint.is_some() {
            return Err(TelemetryError::Export("this build is without the otel feature".to_owned()));
        }
        let subscriber = subscriber(log, std::io::stderr);
        #[cfg(feature = "otel")]
        let subscriber =
            subscriber.with(traces.as_ref().map(|provider| otlp::layer(provider).with_filter(ours(log.level))));
        subscriber.try_init().map_err(|_| TelemetryError::Installed)?;
        hush_panics();
        let recorder = recorder();
        let metrics = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Installed)?;
        Ok(Self {
            metrics,
            #[cfg(feature = "otel")]
            traces,
        })
    }

    /// All metrics in Prometheus' text format, for `GET /metrics`.
    pub fn render(&self) -> String {
        self.metrics.render()
    }

    /// Keeps the metrics small between scrapes, for ever.
    pub fn upkeep(&self) -> impl Future<Output = ()> + Send + use<> {
        let metrics = self.metrics.clone();
        async move {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                metrics.run_upkeep();
            }
        }
    }

    /// Sends the traces that are still here. Call it last, outside the async runtime's own threads: it waits.
    pub fn shutdown(&self) {
        #[cfg(feature = "otel")]
        if let Some(Err(error)) = self.traces.as_ref().map(opentelemetry_sdk::trace::SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "traces not sent");
        }
    }
}

fn subscriber<W>(
    log: LogConfig,
    writer: W,
) -> impl Subscriber + Send + Sync + for<'a> tracing_subscriber::registry::LookupSpan<'a>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match log.format {
        LogFormat::Json => lines.fmt_fields(line::JsonLine).event_format(line::JsonLine).boxed(),
        LogFormat::Human => lines.with_ansi(false).with_target(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(ours(log.level)))
}

/// Our own lines at `level`, everybody else's at `warn` at most.
fn ours(level: Level) -> Targets {
    let others = LevelFilter::from_level(level).min(LevelFilter::WARN);
    Targets::new().with_default(others).with_targets(OWN_CRATES.map(|name| (name, level)))
}

fn recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS).expect("there are buckets");
    let recorder = builder.build_recorder();
    metrics::with_local_recorder(&recorder, request::describe);
    recorder
}

/// A panic says where it was, and its message only if that is a constant of the code: a formatted one may hold
/// anything.
fn hush_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(formatted, not shown)");
        tracing::error!(panic.place = place, panic.message = message, "panic");
    }));
}

#[cfg(test)]
mod tests;
