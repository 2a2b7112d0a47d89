//! Numbers as readers expect them.

/// `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A fraction in percent with two decimals, without the sign.
pub fn percent(fraction: f64) -> String {
    format!("{:.2}", 100.0 * fraction)
}

/// A difference of fractions in percentage points, with its sign.
pub fn points(difference: f64) -> String {
    // A rounded zero has no sign, and a minus is as wide as a plus.
    let text = format!("{:+.2}", 100.0 * difference);
    if text == "+0.00" || text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "−") }
}

/// A number on an axis whose ticks are `step` apart.
pub fn tick(value: f64, step: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    if step < 1e-3 {
        let digits = (value.abs().log10().floor() - step.log10().floor()).max(0.0) as usize;
        // Read back, so that no zeros stand at the end.
        let rounded: f64 = format!("{value:.digits$e}").parse().unwrap_or(value);
        return format!("{rounded:e}").replace('-', "−");
    }
    if step >= 1.0 && value >= 1000.0 {
        return count(value.round() as u64);
    }
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        let texts = [0, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn differences_carry_their_sign() {
        assert_eq!([0.0123, -0.0123, 0.00001, -0.00001].map(points), ["+1.23", "−1.23", "0.00", "0.00"]);
    }

    #[test]
    fn ticks_are_as_precise_as_their_distance() {
        assert_eq!(tick(0.30000000000000004, 0.1), "0.3");
        assert_eq!(tick(6.000000000000001e-5, 2e-5), "6e−5");
        assert_eq!([1e-5, 1.05e-5].map(|value| tick(value, 5e-7)), ["1e−5", "1.05e−5"]);
        assert_eq!(tick(1500.0, 500.0), "1,500");
        assert_eq!(tick(1e-20, 0.5), "0");
        assert_eq!(tick(65.0, 5.0), "65");
    }
}
