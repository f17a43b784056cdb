//! Finite differences against the gradients that operators claim, for the tests of this room.

use candle_core::{Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A tensor of numbers from -1 to 1, none of them near 0 (where ReLU has a kink) and no two alike (where a maximum
/// has one), the same for the same shape and seed.
pub(crate) fn filled(shape: &[usize], seed: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut ranks: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        ranks.swap(i, rng.random_range(0..=i));
    }
    let value = |rank: usize| {
        let magnitude = 0.1 + 0.9 * (rank / 2) as f32 / (count.div_ceil(2)) as f32;
        if rank.is_multiple_of(2) { magnitude } else { -magnitude - 0.4 / count as f32 }
    };
    Tensor::from_vec(ranks.into_iter().map(value).collect(), shape, &Device::Cpu).unwrap()
}

pub(crate) fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Holds the gradient of `f` with respect to each input to central differences, to 2 % of the gradient's size.
///
/// `f` is reduced to a number by a fixed direction, so that no element of its result goes unseen.
pub(crate) fn check(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let out = f(&tensors).unwrap();
    let direction = filled(out.dims(), 77);
    let gradients = (out * &direction).unwrap().sum_all().unwrap().backward().unwrap();
    let claimed: Vec<Vec<f32>> = vars.iter().map(|var| flat(gradients.get(var).expect("no gradient"))).collect();
    let numbers: Vec<Vec<f32>> = inputs.iter().map(flat).collect();
    hold_to_differences(&numbers, &claimed, (4e-3, 0.02), |moved| {
        let tensor =
            |(moved, input): (&Vec<f32>, &Tensor)| Tensor::new(&moved[..], &Device::Cpu)?.reshape(input.dims());
        let tensors = moved.iter().zip(inputs).map(tensor).collect::<Result<Vec<Tensor>>>().unwrap();
        let (out, direction) = (flat(&f(&tensors).unwrap()), flat(&direction));
        out.iter().zip(direction).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
    });
}

/// Holds the claimed gradients of `f` to central differences over `step`, to `tolerance` of a gradient's largest.
pub(crate) fn hold_to_differences(
    inputs: &[Vec<f32>],
    claimed: &[Vec<f32>],
    (step, tolerance): (f32, f64),
    f: impl Fn(&[Vec<f32>]) -> f64,
) {
    assert_eq!(inputs.len(), claimed.len());
    for (index, claimed) in claimed.iter().enumerate() {
        let largest = claimed.iter().fold(0f32, |m, g| m.max(g.abs()));
        assert!(largest > 0.0, "input {index}: the gradient is all zeros");
        assert_eq!(inputs[index].len(), claimed.len());
        for (element, claimed) in claimed.iter().enumerate() {
            let shifted = |by: f32| {
                let mut moved = inputs.to_vec();
                moved[index][element] += by;
                f(&moved)
            };
            let measured = (shifted(step) - shifted(-step)) / f64::from(2.0 * step);
            assert!(
                (measured - f64::from(*claimed)).abs() <= tolerance * f64::from(largest),
                "input {index}, element {element}: claimed {claimed}, measured {measured}"
            );
        }
    }
}

/// Holds two tensors to each other, element by element.
pub(crate) fn close(a: &Tensor, b: &Tensor, tolerance: f32) {
    assert_eq!(a.dims(), b.dims());
    for (index, (a, b)) in flat(a).iter().zip(flat(b)).enumerate() {
        assert!((a - b).abs() <= tolerance, "element {index}: {a} and {b}");
    }
}
