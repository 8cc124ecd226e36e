//! The post: delivers letters in order while a run goes on, with growing pauses after failures. It lives no longer
//! than its run; what is left stays in the outbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::mpsc::UnboundedReceiver;

use super::address::WebhookAddress;
use super::outbox::{Letter, Outbox};
use super::webhook::{Delivery, Webhook};
use crate::terminal::Terminal;

/// Pauses between attempts: doubling from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who delivers.
pub(super) struct Post {
    address: WebhookAddress,
    outbox: Outbox,
    terminal: Arc<Terminal>,
    queue: VecDeque<Letter>,
    /// The first trouble is told, the rest is not.
    told: bool,
}

impl Post {
    /// `left` by earlier runs goes out first.
    pub(super) fn new(
        address: WebhookAddress,
        outbox: Outbox,
        terminal: Arc<Terminal>,
        left: Vec<Letter>,
    ) -> Self {
        Self { address, outbox, terminal, queue: left.into(), told: false }
    }

    /// Delivers until there is nothing left and nobody sends any more.
    pub(super) async fn work(mut self, mut waiting: UnboundedReceiver<Letter>) {
        let webhook = match Webhook::new(self.address.clone()) {
            Ok(webhook) => webhook,
            Err(cause) => return self.tell(&cause),
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(letter) = self.queue.pop_front() else {
                match waiting.recv().await {
                    Some(letter) => self.queue.push_back(letter),
                    None => return,
                }
                continue;
            };
            match self.deliver(&webhook, letter).await {
                None => pause = FIRST_PAUSE,
                Some((letter, asked)) => {
                    self.queue.push_front(letter);
                    tokio::time::sleep(beyond(pause, asked)).await;
                    pause = self.rest(pause, &mut waiting).await;
                }
            }
        }
    }

    /// Waits, unless there is news: then the next attempt comes soon. Gives the pause after the next failure.
    async fn rest(&mut self, pause: Duration, waiting: &mut UnboundedReceiver<Letter>) -> Duration {
        let longer = (pause * 2).min(LONGEST_PAUSE);
        let open = !waiting.is_closed();
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => longer,
            news = waiting.recv(), if open => {
                self.queue.extend(news);
                FIRST_PAUSE
            }
        }
    }

    /// Gives a letter back that has to be tried again.
    async fn deliver(&mut self, webhook: &Webhook, mut letter: Letter) -> Option<(Letter, Option<Duration>)> {
        match webhook.post(&letter.content.message).await {
            Delivery::Arrived => {
                self.outbox.done(&letter);
                None
            }
            Delivery::Later { cause, wait } => {
                self.tell(&cause);
                Some((letter, wait))
            }
            Delivery::Refused { cause } => {
                let fate = if self.outbox.refused(&mut letter) { "" } else { "; it was dropped" };
                self.terminal.talk(&format!("the chat refuses a message: {cause}{fate}"));
                None
            }
        }
    }

    fn tell(&mut self, cause: &str) {
        if !std::mem::replace(&mut self.told, true) {
            self.terminal.talk(&format!("the chat cannot be reached: {cause}"));
        }
    }
}

/// What a chat asks to wait for beyond the pause that is made anyway: `Retry-After: 0` is no leave to hammer.
fn beyond(pause: Duration, asked: Option<Duration>) -> Duration {
    asked.unwrap_or_default().saturating_sub(pause)
}

/// Up to a quarter longer, so that many operators do not come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + rand::rng().random_range(0.0..0.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_can_ask_for_a_longer_pause_and_never_for_a_shorter_one() {
        let pause = Duration::from_secs(2);
        assert_eq!(pause + beyond(pause, Some(Duration::ZERO)), pause);
        assert_eq!(pause + beyond(pause, None), pause);
        assert_eq!(pause + beyond(pause, Some(Duration::from_secs(7))), Duration::from_secs(7));
    }
}
