//! Axis ticks at round numbers. Source: Paul Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990.

/// An axis from zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Where it ends: at a tick, not below the largest value.
    pub end: f64,
    /// Ticks in order, zero included.
    pub ticks: Vec<f64>,
    /// Decimals that tell two ticks apart.
    pub decimals: usize,
}

impl Axis {
    /// About `wanted` ticks for values from zero to `largest`; an axis of nothing goes to one.
    pub fn up_to(largest: f64, wanted: u32) -> Self {
        let largest = if largest.is_finite() && largest > 0.0 { largest } else { 1.0 };
        let step = nice(largest / f64::from(wanted.max(1)));
        let count = (largest / step - 1e-9).ceil().max(1.0);
        let decimals = if step < 1.0 { (-step.log10().floor()) as i32 } else { 0 };
        let ticks = (0..).map(f64::from).take_while(|n| *n <= count).map(|n| n * step).collect();
        Self { end: count * step, ticks, decimals: usize::try_from(decimals).unwrap_or(0) }
    }

    /// The text of a tick.
    pub fn label(&self, tick: f64) -> String {
        format!("{tick:.*}", self.decimals)
    }

    /// Where a value lies, 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        (value / self.end).clamp(0.0, 1.0)
    }
}

/// The next of 1, 2, 5, 10 times a power of ten that is not below `value`.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let fraction = value / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| fraction <= *round + 1e-9).unwrap_or(10.0);
    round * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(largest: f64, wanted: u32) -> Vec<String> {
        let axis = Axis::up_to(largest, wanted);
        axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_cover_the_largest_value() {
        assert_eq!(labels(12.8, 6), ["0", "5", "10", "15"]);
        assert_eq!(labels(100.0, 5), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(0.34, 4), ["0.0", "0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(labels(0.034, 4), ["0.00", "0.01", "0.02", "0.03", "0.04"]);
        assert_eq!(labels(72_255.0, 4), ["0", "20000", "40000", "60000", "80000"]);
    }

    #[test]
    fn nothing_and_nonsense_still_give_an_axis() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let axis = Axis::up_to(value, 4);
            assert!(axis.end >= 1.0 && axis.ticks.len() >= 2, "{value}: {axis:?}");
        }
    }
}
