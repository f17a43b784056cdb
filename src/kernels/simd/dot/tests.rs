use super::*;
use crate::kernels::simd::Level;

/// Sums of products, and bytes of numbers, one vector and four at a time.
fn everything(level: Level) -> (Vec<f32>, Vec<u8>, Vec<u8>) {
    fn run<D: Dot>(dot: D) -> (Vec<f32>, Vec<u8>, Vec<u8>) {
        // The largest products of both signs, which 16 bits do not hold two of, and others.
        let inputs: [[u8; GROUP]; 2] = [[255; GROUP], [0, 1, 128, 255]];
        let weight = |i: usize| [-127, 127, 1, -1, 64, -100, 0, 99][(i / 3 + i / 16) % 8];
        let weights: Vec<i8> = (0..16 * GROUP).map(weight).collect();
        let numbers: Vec<f32> =
            (0..64).map(|i| [-3e9, -1.0, 0.5, 1.5, 254.5, 255.5, 3e9, 7.49, i as f32][i % 9]).collect();
        let (mut sums, mut bytes, mut fours) = (vec![0.0; 16], vec![1; 64], vec![1; 64]);
        dot.vectorize(
            #[inline(always)]
            || {
                for first in (0..16).step_by(D::LANES) {
                    // SAFETY: all arrays hold 16 lanes, of which these are `LANES`.
                    unsafe {
                        let weights = dot.load_weights(weights.as_ptr().add(first * GROUP));
                        let mut sum = dot.no_sums();
                        for group in &inputs {
                            sum = dot.add_products(sum, dot.splat_group(group.as_ptr()), weights);
                        }
                        dot.store(sums.as_mut_ptr().add(first), dot.to_numbers(sum));
                    }
                }
                for first in (0..64).step_by(4 * D::LANES) {
                    // SAFETY: both arrays hold 64 numbers, of which these are four vectors.
                    unsafe {
                        let mut vectors = [dot.splat(0.0); 4];
                        for (index, vector) in vectors.iter_mut().enumerate() {
                            let at = first + index * D::LANES;
                            *vector = dot.load(numbers.as_ptr().add(at));
                            dot.store_bytes(bytes.as_mut_ptr().add(at), *vector);
                        }
                        let to = fours.as_mut_ptr().add(first);
                        dot.store_four([to, to.add(2 * D::LANES)], vectors);
                    }
                }
            },
        );
        (sums, bytes, fours)
    }
    at_dot!(level, dot => run(dot))
}

#[test]
fn every_level_sums_and_rounds_alike_and_nothing_overflows() {
    let want = everything(Level::Portable);
    assert_eq!(want.0[0], (255 * (-127 - 127 - 127 + 127) + (-127 * 129 + 127 * 255)) as f32);
    assert_eq!(want.1[..9], [0, 0, 0, 2, 254, 255, 255, 7, 8]);
    assert_eq!(want.1, want.2);
    for level in Level::available() {
        assert_eq!(everything(level), want, "{level}");
    }
}

/// Sums of products of 16 bits, and numbers rounded to as many.
fn words(level: Level) -> (Vec<f32>, Vec<i16>) {
    fn run<D: Dot>(dot: D) -> (Vec<f32>, Vec<i16>) {
        let inputs: [[i16; PAIR]; 3] = [[i16::MAX; PAIR], [-4095, 1], [i16::MIN + 1, 7]];
        let weights: Vec<i16> = (0..16 * PAIR).map(|i| [i16::MAX, -300, 0, -i16::MAX, 12, 1][i / 2 % 6]).collect();
        let numbers: Vec<f32> = (0..16).map(|i| [-4095.4, 0.5, 1.5, 4094.6, -0.5, i as f32][i % 6]).collect();
        let (mut sums, mut rounded) = (vec![0.0; 16], vec![1; 16]);
        dot.vectorize(
            #[inline(always)]
            || {
                for first in (0..16).step_by(D::LANES) {
                    // SAFETY: all arrays hold 16 lanes, of which these are `LANES`.
                    unsafe {
                        let weights = dot.load_words(weights.as_ptr().add(first * PAIR));
                        let mut sum = dot.no_sums();
                        for pair in &inputs {
                            sum = dot.add_word_products(sum, dot.splat_pair(pair.as_ptr()), weights);
                        }
                        dot.store(sums.as_mut_ptr().add(first), dot.to_numbers(sum));
                        let numbers = dot.load(numbers.as_ptr().add(first));
                        dot.store_words(rounded.as_mut_ptr().add(first), numbers);
                    }
                }
            },
        );
        (sums, rounded)
    }
    at_dot!(level, dot => run(dot))
}

#[test]
fn every_level_sums_and_rounds_words_alike() {
    let want = words(Level::Portable);
    let all = 2 * 32_767 + (-4095 + 1) + (-32_767 + 7);
    assert_eq!(want.0[..2], [(32_767 * all) as f32, (-300 * all) as f32]);
    assert_eq!(want.1[..6], [-4095, 0, 2, 4095, 0, 5]);
    for level in Level::available() {
        assert_eq!(words(level), want, "{level}");
    }
}
