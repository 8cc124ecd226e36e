//! Messages about runs to a chat: made from events and results, spooled in the state directory, posted to a webhook.
//! Nothing in here can fail a run, or keep it for more than `PATIENCE`.

use std::sync::Arc;
use std::time::Duration;

use phases::plan::Plan;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::environment::tables::NotifyEvent;
use crate::report::result::{Mood, RunResult};
use crate::site::Site;
use crate::terminal::Terminal;

pub mod address;
pub mod message;
pub mod outbox;
mod post;
pub mod webhook;

use address::WebhookAddress;
use message::Message;
use outbox::{Letter, Outbox};
use post::Post;

/// How long the end of a run waits for its last message to be delivered.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Tells a chat about one run.
pub struct Notifier {
    events: Vec<NotifyEvent>,
    outbox: Outbox,
    terminal: Arc<Terminal>,
    letters: UnboundedSender<Letter>,
    post: JoinHandle<()>,
    /// The beginning was worth telling, so the end is.
    announced: bool,
}

impl Notifier {
    /// Nothing when the environment names no webhook. Messages that earlier runs left behind go out first.
    pub fn start(site: &Site, terminal: &Arc<Terminal>) -> Option<Self> {
        let key = site.environment.notify.webhook_key.as_deref()?;
        let address = match WebhookAddress::from_secret(key, site.environment.secrets.get(key)) {
            Ok(address) => address,
            Err(cause) => {
                terminal.talk(&format!("nobody is notified: {cause}"));
                return None;
            }
        };
        let events = site.environment.notify.events.clone();
        Some(Self::new(address, events, Outbox::of(&site.state), terminal))
    }

    /// Tells `address` about `events`. Must be called inside the runtime.
    pub fn new(
        address: WebhookAddress,
        events: Vec<NotifyEvent>,
        outbox: Outbox,
        terminal: &Arc<Terminal>,
    ) -> Self {
        let (letters, waiting) = unbounded_channel();
        // Read before this run puts its own in: what is in the outbox now was left by earlier ones.
        let (left, dropped) = outbox.collect();
        if dropped > 0 {
            terminal.talk(&format!("{dropped} old messages to the chat were dropped"));
        }
        let post = Post::new(address, outbox.clone(), terminal.clone(), left);
        let terminal = terminal.clone();
        let post = tokio::spawn(post.work(waiting));
        Self { events, outbox, terminal, letters, post, announced: false }
    }

    /// A run begins, or is taken over. Runs that only look are not worth a message.
    pub fn began(&mut self, run: &str, plan: &Plan) {
        if plan.effects() > 0 && !self.announced {
            self.announced = true;
            self.send(NotifyEvent::Started, run, &message::began(run, plan, &crate::actor::holder()));
        }
    }

    /// A run is over. Waits a little for what is under way; the rest is sent by the next run.
    pub async fn ended(mut self, result: &RunResult) {
        if self.announced || result.mood() == Mood::Bad {
            self.send(message::kind(result), &result.run, &message::ended(result));
        }
        let Self { letters, mut post, terminal, outbox, .. } = self;
        drop(letters);
        if tokio::time::timeout(PATIENCE, &mut post).await.is_err() {
            post.abort();
        }
        let left = outbox.waiting();
        if left > 0 {
            let messages =
                if left == 1 { "1 message waits".to_owned() } else { format!("{left} messages wait") };
            terminal.talk(&format!("{messages} to be delivered to the chat; the next run tries again"));
        }
    }

    fn send(&mut self, kind: NotifyEvent, run: &str, message: &Message) {
        if !self.events.contains(&kind) {
            return;
        }
        let letter = self.outbox.put(kind, run, message);
        if let Err(error) = &letter.spooled {
            self.terminal.talk(&format!("a message to the chat cannot be spooled: {error}"));
        }
        // The post is gone only after a bug in it; the letter is spooled all the same.
        let _ = self.letters.send(letter);
    }
}
