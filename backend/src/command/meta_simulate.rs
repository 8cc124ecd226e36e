//! `crm-server meta-simulate`: a stand-in for Meta that answers until it is interrupted. Prints where it listens, and
//! what came of the webhooks it sent, one JSON object per line.

use std::net::SocketAddr;

use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::{Failure, print};
use crate::simulator::{Manner, Options, Simulator};

/// Longest list of forms and largest number of leads: a typing error should not fill the memory.
const MOST_FORMS: i64 = 50;
const MOST_LEADS: u64 = 1_000_000;

/// What was typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Its Graph API answers under /v23.0/…, give its address as META_GRAPH_URL and connect the page with the token it
prints. What it is told to do:
  GET  /simulator/ledger              everybody who sent a form, and every form
  PUT  /simulator/mode                {\"mode\": \"away\"}: well, away, slow, wrong, mixed, busy, token_expired,
                                      access_revoked, access_hidden, unsubscribed, short_token
  POST /simulator/leads               {\"count\": 100, \"webhook_url\": \"…\", \"manner\": {\"repeated_percent\": 25}}")]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Same seed, same people, same order of webhooks
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Forms that people send at the start
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=MOST_LEADS))]
    leads: u64,
    /// Lead forms of the page
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i64).range(1..=MOST_FORMS))]
    forms: i64,
    /// Who is told of the leads of the start, as http://127.0.0.1:8000/webhooks/meta
    #[arg(long, value_name = "URL")]
    webhook_url: Option<Url>,
    /// Name of the environment variable that holds the application's secret
    #[arg(long, default_value = "META_APP_SECRET", value_name = "NAME")]
    app_secret_env: String,
    /// Number of the page
    #[arg(long, value_name = "NUMBER")]
    page_id: Option<String>,
    /// Of 100 leads, how many are told of twice or thrice
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(..=100))]
    repeated: u32,
    /// Of 100 leads, how many are told of last
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(..=100))]
    late: u32,
    /// Of 100 leads, how many nobody is told of
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(..=100))]
    dropped: u32,
    /// How many places a lead may be told of too late
    #[arg(long, default_value_t = 0, value_name = "PLACES")]
    shuffled: u32,
    /// Most leads in one webhook
    #[arg(long, default_value_t = 1, value_name = "LEADS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch: u32,
    /// Webhooks under way at once
    #[arg(long, default_value_t = 1, value_name = "WEBHOOKS", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    beside: u16,
    /// Of 100 calls of the Graph API, how many fail with a server error or a rate limit
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(..=100))]
    failing: u32,
}

/// Listens, sends what was asked for, and answers until the process is ended.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let secret = std::env::var(&arguments.app_secret_env).ok().filter(|value| !value.is_empty());
    let secret = secret.ok_or_else(|| Failure {
        message: format!("`{}` is missing", arguments.app_secret_env),
        hint: Some(format!("set `{}` to the secret that the server has", arguments.app_secret_env)),
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(&error, None))?;
    runtime.block_on(simulate(arguments, SecretString::from(secret)))
}

async fn simulate(arguments: &Arguments, secret: SecretString) -> Result<(), Failure> {
    let mut options = Options::new(arguments.seed, secret);
    options.listen = arguments.listen;
    options.forms = usize::try_from(arguments.forms).unwrap_or(1);
    options.failing_percent = arguments.failing;
    if let Some(page_id) = &arguments.page_id {
        options.page_id.clone_from(page_id);
    }
    let simulator = Simulator::start(options).await.map_err(|error| Failure {
        message: format!("`{}` cannot be listened on: {error}", arguments.listen),
        hint: Some("give another address with --listen".to_owned()),
    })?;
    let options = simulator.options();
    print(
        &json!({ "url": simulator.url(), "page_id": options.page_id, "token": options.token }).to_string(),
    )?;
    let leads = simulator.send_forms(usize::try_from(arguments.leads).unwrap_or(usize::MAX));
    if let Some(webhook) = &arguments.webhook_url {
        let told = simulator.tell(webhook, &leads, arguments.manner()).await;
        print(&json!({ "told": told }).to_string())?;
    }
    simulator.serve().await;
    Ok(())
}

impl Arguments {
    fn manner(&self) -> Manner {
        Manner {
            repeated_percent: self.repeated,
            late_percent: self.late,
            dropped_percent: self.dropped,
            shuffled_by: self.shuffled,
            batch: self.batch,
            beside: usize::from(self.beside),
        }
    }
}
