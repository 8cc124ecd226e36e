//! `GET /admin/core/sellers/{id}/metrics`, `…/team/metrics` and `…/leaderboard`: figures of a period.

use axum::Json;
use axum::extract::Path;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shape::{self, Frame, Seller, SellerMetrics};
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Query};
use crate::metrics::{self, Period, Wish};
use crate::tenant::Tenant;

/// The days: `period_days`, or `from` and `until`; 30 days when nothing is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Days {
    period_days: Option<i64>,
    from: Option<NaiveDate>,
    until: Option<NaiveDate>,
    time_zone: Option<String>,
}

impl Days {
    pub(super) fn wish(self) -> Wish {
        let Self { period_days, from, until, time_zone } = self;
        Wish { period_days, from, until, time_zone }
    }
}

/// Figures of one vendedor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneSeller {
    #[serde(flatten)]
    seller: Seller,
    metrics: SellerMetrics,
    /// As many days right before.
    previous: SellerMetrics,
    #[serde(flatten)]
    frame: Frame,
}

/// Figures of one vendedor, and of the days before.
#[utoipa::path(get, path = "/admin/core/sellers/{id}/metrics", tag = "sellers",
    params(("id" = Uuid, Path, description = "The vendedor; a vendedor asks for themselves only"),
        ("period_days" = Option<i64>, Query, description = "1 to 366, today included; 30 when nothing is said"),
        ("from" = Option<NaiveDate>, Query, description = "First day"),
        ("until" = Option<NaiveDate>, Query, description = "Last day, included"),
        ("time_zone" = Option<String>, Query, description = "Zone of the days; the tenant's when absent"),
        ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = OneSeller), (status = BAD_REQUEST, body = ErrorBody), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn one(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Query(days): Query<Days>,
) -> Result<Json<OneSeller>, ApiError> {
    let caller = tenant.caller();
    if caller.role.is_seller() && caller.user_id != id {
        return Err(ApiError::not_found());
    }
    let period = Period::of(tenant.transaction(), &days.wish()).await?;
    let seller = shape::sellers(&mut tenant, Some(id)).await?.pop().ok_or_else(ApiError::not_found)?;
    let mut figures = async |period: &Period| {
        let by_seller = metrics::figures(tenant.transaction(), period, Some(id)).await?;
        let own = by_seller.get(&Some(id)).cloned().unwrap_or_default();
        Ok::<_, ApiError>((SellerMetrics::new(&own, false), by_seller.at))
    };
    let ((metrics, at), (previous, before)) = (figures(&period).await?, figures(&period.before()).await?);
    Ok(Json(OneSeller { seller, metrics, previous, frame: Frame::new(period, at.min(before)) }))
}

/// One line of the team.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    #[serde(flatten)]
    seller: Seller,
    metrics: SellerMetrics,
}

/// Figures of the team; a vendedor's team is themselves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Team {
    /// Everybody and nobody together.
    team: SellerMetrics,
    /// As many days right before.
    previous: SellerMetrics,
    /// Active vendedores by name.
    sellers: Vec<Line>,
    #[serde(flatten)]
    frame: Frame,
}

/// Figures of the team and of each vendedor.
#[utoipa::path(get, path = "/admin/core/sellers/team/metrics", tag = "sellers",
    params(("period_days" = Option<i64>, Query, description = "1 to 366, today included; 30 when nothing is said"),
        ("from" = Option<NaiveDate>, Query, description = "First day"),
        ("until" = Option<NaiveDate>, Query, description = "Last day, included"),
        ("time_zone" = Option<String>, Query, description = "Zone of the days; the tenant's when absent"),
        ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Team), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn team(mut tenant: Tenant, Query(days): Query<Days>) -> Result<Json<Team>, ApiError> {
    let caller = tenant.caller();
    let only = caller.role.is_seller().then_some(caller.user_id);
    let period = Period::of(tenant.transaction(), &days.wish()).await?;
    let by_seller = metrics::figures(tenant.transaction(), &period, only).await?;
    let before = metrics::figures(tenant.transaction(), &period.before(), only).await?;
    let sellers = shape::sellers(&mut tenant, only).await?;
    let line = |seller: Seller| {
        let own = by_seller.get(&Some(seller.seller_id)).cloned().unwrap_or_default();
        Line { metrics: SellerMetrics::new(&own, false), seller }
    };
    Ok(Json(Team {
        sellers: sellers.into_iter().map(line).collect(),
        team: SellerMetrics::new(&shape::total(&by_seller), only.is_none()),
        previous: SellerMetrics::new(&shape::total(&before), only.is_none()),
        frame: Frame::new(period, by_seller.at.min(before.at)),
    }))
}

/// What a leaderboard is ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// Leads won in the period.
    #[default]
    Won,
    /// Share of their leads of the period that are won.
    ConversionRate,
    /// Mean first response, the quickest first.
    FirstResponse,
    /// Share answered within 24 hours.
    ResponseRate,
    /// Messages sent.
    MessagesSent,
}

/// Days and order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Board {
    period_days: Option<i64>,
    from: Option<NaiveDate>,
    until: Option<NaiveDate>,
    time_zone: Option<String>,
    #[serde(default)]
    by: By,
}

/// One place.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Place {
    /// From 1; who is equal shares it; null without a figure.
    place: Option<usize>,
    #[serde(flatten)]
    seller: Seller,
    /// The figure that it goes by; null when there is none.
    value: Option<f64>,
    /// On how many it rests.
    n: i64,
}

/// The places.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Leaderboard {
    by: By,
    places: Vec<Place>,
    #[serde(flatten)]
    frame: Frame,
}

/// Active vendedores in order of one figure; who has none comes last, without a place.
#[utoipa::path(get, path = "/admin/core/sellers/leaderboard", tag = "sellers",
    params(("by" = Option<By>, Query, description = "won when absent"),
        ("period_days" = Option<i64>, Query, description = "1 to 366, today included; 30 when nothing is said"),
        ("from" = Option<NaiveDate>, Query, description = "First day"),
        ("until" = Option<NaiveDate>, Query, description = "Last day, included"),
        ("time_zone" = Option<String>, Query, description = "Zone of the days; the tenant's when absent"),
        ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Leaderboard), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn leaderboard(
    mut tenant: Tenant,
    Query(Board { period_days, from, until, time_zone, by }): Query<Board>,
) -> Result<Json<Leaderboard>, ApiError> {
    let wish = Wish { period_days, from, until, time_zone };
    let period = Period::of(tenant.transaction(), &wish).await?;
    let by_seller = metrics::figures(tenant.transaction(), &period, None).await?;
    let caller = tenant.caller();
    let mut places: Vec<Place> = shape::sellers(&mut tenant, None)
        .await?
        .into_iter()
        .map(|seller| {
            let own = by_seller.get(&Some(seller.seller_id)).cloned().unwrap_or_default();
            let (value, n) = by.figure(&SellerMetrics::new(&own, false), own.count(metrics::Metric::WON));
            Place { place: None, seller, value, n }
        })
        .collect();
    by.sort(&mut places);
    // A vendedor sees the own place, and nobody else's figures.
    if caller.role.is_seller() {
        places.retain(|place| place.seller.seller_id == caller.user_id);
    }
    Ok(Json(Leaderboard { by, places, frame: Frame::new(period, by_seller.at) }))
}

impl By {
    /// The figure, and on how many it rests.
    fn figure(self, metrics: &SellerMetrics, won: i64) -> (Option<f64>, i64) {
        match self {
            Self::Won => (Some(won as f64), won),
            Self::ConversionRate => (metrics.conversion_rate.rate, metrics.conversion_rate.of),
            Self::FirstResponse => (metrics.first_response.mean_seconds, metrics.first_response.n),
            Self::ResponseRate => (metrics.response_rate_24h.rate, metrics.response_rate_24h.of),
            Self::MessagesSent => (Some(metrics.messages_sent as f64), metrics.messages_sent),
        }
    }

    /// Best first, then by name; gives the places.
    fn sort(self, places: &mut [Place]) {
        let worth = |place: &Place| {
            let value =
                if self == Self::FirstResponse { place.value.map(|value| -value) } else { place.value };
            value.unwrap_or(f64::NEG_INFINITY)
        };
        places.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then_with(|| a.seller.name.cmp(&b.seller.name)));
        let values: Vec<f64> = places.iter().map(worth).collect();
        for (place, value) in places.iter_mut().zip(&values) {
            let better = values.iter().filter(|other| *other > value).count();
            place.place = place.value.map(|_| better + 1);
        }
    }
}
