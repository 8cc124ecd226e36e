//! The swarm platform keeps the promises of every platform, on a real engine and through a real edge.

use super::stand::SwarmStand;

phases::platform_contract!(SwarmStand::new().await);
