//! The natural logarithm and the exponential as plain arithmetic, which the compiler turns into vectors of any width.
//!
//! In and out: one number, of an array that a loop runs over within [`Level::vectorize`](super::Level::vectorize). The
//! standard library's are a call for each number and differ between systems. These have no branch, no table and no
//! fused multiplication, so every level and every processor gives the same bits. Polynomials and the two parts of
//! ln 2 are those of Moshier's Cephes library (`logf`, `expf`).

use std::f32::consts::LOG2_E;

/// ln 2 in two parts: a whole number of up to 9 bits times the first is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The bits of the square root of 1/2: the fraction whose logarithm is computed lies from there to twice that, around 1.
const ROOT_OF_HALF: u32 = 0x3f35_04f3;

/// The natural logarithm of a finite number from [`f32::MIN_POSITIVE`] on, to one unit in the last place.
#[inline(always)]
pub(crate) fn ln(number: f32) -> f32 {
    let bits = number.to_bits();
    let exponent = (bits.wrapping_sub(ROOT_OF_HALF) as i32) >> 23;
    let x = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32)) - 1.0;
    let exponent = exponent as f32;
    // Horner's scheme, line by line: a loop over an array of coefficients is not seen through in time.
    let p = 7.037_683_6e-2 * x - 1.151_461e-1;
    let p = p * x + 1.167_699_84e-1;
    let p = p * x - 1.242_014_1e-1;
    let p = p * x + 1.424_932_3e-1;
    let p = p * x - 1.666_805_7e-1;
    let p = p * x + 2.000_071_4e-1;
    let p = p * x - 2.499_999_4e-1;
    let p = p * x + 3.333_333e-1;
    let square = x * x;
    let small = p * x * square + exponent * LN_2[1] - 0.5 * square;
    (x + small) + exponent * LN_2[0]
}

/// The exponential, to one unit in the last place. Below -87 and above 88 it is that of -87 and of 88, so that it is a
/// finite number above 0 whatever comes.
#[inline(always)]
pub(crate) fn exp(number: f32) -> f32 {
    /// Added to a small number, it leaves no bits for a fraction: the number is rounded to a whole one, which stands in
    /// the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    /// What is added to an exponent in the bits of a number.
    const BIAS: u32 = 127;
    #[expect(clippy::manual_clamp, reason = "`clamp` lets through what is no number")]
    let number = number.max(-87.0).min(88.0);
    let rounded = number * LOG2_E + ROUNDING;
    let exponent = rounded - ROUNDING;
    let x = number - exponent * LN_2[0] - exponent * LN_2[1];
    let p = 1.987_569_1e-4 * x + 1.398_199_9e-3;
    let p = p * x + 8.333_452e-3;
    let p = p * x + 4.166_579_6e-2;
    let p = p * x + 1.666_666_6e-1;
    let p = p * x + 5.0e-1;
    let fraction = p * (x * x) + x + 1.0;
    fraction * f32::from_bits(rounded.to_bits().wrapping_sub(ROUNDING.to_bits()).wrapping_add(BIAS) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Level;

    /// How many units in the last place of `want` lie between the two.
    fn units(got: f32, want: f64) -> f64 {
        let nearest = (want as f32).abs();
        (f64::from(got) - want).abs() / f64::from(nearest.next_up() - nearest)
    }

    /// The largest error of `of` on some numbers, and where.
    fn worst(numbers: impl Iterator<Item = f32>, of: fn(f32) -> f32, truth: fn(f64) -> f64) -> (f64, f32) {
        let error = |number: f32| (units(of(number), truth(f64::from(number))), number);
        numbers.map(error).fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
    }

    #[test]
    fn logarithms_and_exponentials_are_right_to_a_unit_in_the_last_place() {
        // The responses of cones; then all numbers that are allowed, more thinly.
        let responses = (0.003_f32.to_bits()..1.1_f32.to_bits()).step_by(61);
        let all = (f32::MIN_POSITIVE.to_bits()..=f32::MAX.to_bits()).step_by(2003);
        let (error, at) = worst(responses.chain(all).map(f32::from_bits), ln, f64::ln);
        assert!(error < 1.0, "ln({at}) is wrong by {error} units");
        println!("ln: {error} units at {at}");
        let exponents = (-8_700_000..=8_800_000).step_by(7).map(|i| i as f32 / 1e5);
        let small = (-200_000..=200_000).map(|i| i as f32 / 1e6);
        let (error, at) = worst(exponents.chain(small), exp, f64::exp);
        assert!(error < 1.0, "exp({at}) is wrong by {error} units");
        println!("exp: {error} units at {at}");
    }

    #[test]
    fn the_ends_are_finite() {
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        for number in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN, 88.1, -87.1] {
            assert!(exp(number).is_finite() && exp(number) > 0.0, "exp({number}) is {}", exp(number));
            assert!(ln(number.max(f32::MIN_POSITIVE)).is_finite(), "ln({number})");
        }
    }

    /// Every processor of the same architecture has the portable level, so that stands for other processors.
    #[test]
    fn every_level_gives_the_same_bits() {
        let numbers: Vec<f32> = (0..4099).map(|i| 0.003 + (i as f32) / 2000.0).collect();
        let at = |level: Level| {
            let mut all = [numbers.clone(), numbers.clone()];
            level.vectorize(
                #[inline(always)]
                || {
                    all[0].iter_mut().for_each(|number| *number = ln(*number));
                    all[1].iter_mut().for_each(|number| *number = exp(5.0 - 10.0 * *number));
                },
            );
            all.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        for level in Level::available() {
            assert!(at(level) == at(Level::Portable), "{level}");
        }
    }
}
