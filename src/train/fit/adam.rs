//! Adam (Kingma and Ba, 2015) as Keras computes it: epsilon is added to the uncorrected root ("epsilon hat").

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use rayon::prelude::*;

use crate::kernels::update;
use crate::model::{Parameter, StoredTensor, StoredTensors};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-7;

/// The optimiser of a set of parameters.
pub struct Adam {
    slots: Vec<Slot>,
    steps: i32,
}

/// A parameter, how it is moved, and its two moments.
pub struct Slot {
    parameter: Parameter,
    share: f64,
    weight_decay: f64,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    /// An optimiser of the trained ones among these parameters.
    pub fn new(slots: impl Iterator<Item = Slot>) -> Self {
        Self { slots: slots.filter(|slot| slot.parameter.spec.role.trained()).collect(), steps: 0 }
    }

    /// Steps so far, and the two moments of each trained tensor, by `first/NAME` and `second/NAME`.
    pub(crate) fn stored(&self) -> (i32, StoredTensors) {
        let mut tensors = StoredTensors::new();
        for slot in &self.slots {
            for (moment, data) in [("first", &slot.first), ("second", &slot.second)] {
                let tensor = StoredTensor { shape: vec![data.len()], data: data.clone() };
                tensors.insert(format!("{moment}/{}", slot.parameter.spec.name), tensor);
            }
        }
        (self.steps, tensors)
    }

    /// Goes on from what [`Adam::stored`] gave; the error is the name of a moment that is missing or of another length.
    pub(crate) fn restore(&mut self, steps: i32, mut stored: StoredTensors) -> Result<(), String> {
        self.steps = steps;
        for slot in &mut self.slots {
            for (moment, data) in [("first", &mut slot.first), ("second", &mut slot.second)] {
                let name = format!("{moment}/{}", slot.parameter.spec.name);
                let tensor = stored.remove(&name).filter(|tensor| tensor.data.len() == data.len());
                *data = tensor.ok_or(name)?.data;
            }
        }
        Ok(())
    }

    /// Moves each parameter that has a gradient.
    ///
    /// # Errors
    /// When candle fails.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> candle_core::Result<()> {
        self.steps += 1;
        // The powers of the f32s nearest to the decays, as in Keras: 1 - 0.999 comes out 1.3e-5 smaller by that.
        let left = |beta: f64| 1.0 - f64::from(beta as f32).powi(self.steps);
        let correction = left(BETA2).sqrt() / left(BETA1);
        self.slots.par_iter_mut().try_for_each(|slot| match gradients.get(&slot.parameter.var) {
            Some(gradient) => slot.step(gradient, learning_rate * slot.share, correction),
            None => Ok(()),
        })
    }
}

impl Slot {
    /// A parameter whose learning rate is `share` of the one given to [`Adam::step`], and which loses `weight_decay`
    /// times its learning rate of itself at each step (decoupled, as in AdamW; Loshchilov and Hutter, 2019).
    pub fn new(parameter: Parameter, share: f64, weight_decay: f64) -> Self {
        let count = parameter.var.elem_count();
        Self { parameter, share, weight_decay, first: vec![0.0; count], second: vec![0.0; count] }
    }

    fn step(&mut self, gradient: &Tensor, rate: f64, correction: f64) -> candle_core::Result<()> {
        let (taken1, taken2, epsilon) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32, EPSILON as f32);
        let kept = (1.0 - rate * self.weight_decay) as f32;
        let rate = (rate * correction) as f32;
        let (first, second) = (&mut self.first, &mut self.second);
        update(&self.parameter.var, gradient, |values, gradient| {
            let moments = first.iter_mut().zip(&mut *second);
            for ((value, g), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
                *first += (g - *first) * taken1;
                *second += (g * g - *second) * taken2;
                *value = *value * kept - rate * *first / (second.sqrt() + epsilon);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Role, TensorSpec};
    use candle_core::{Device, Var};

    /// ```python
    /// import keras, numpy as np
    /// v = keras.Variable(np.array([1., -2., 3.], 'float32')); adam = keras.optimizers.Adam(1e-2); adam.build([v])
    /// for _ in range(3): adam.apply([np.asarray(v) * np.array([1., 1e-6, -2.], 'float32')])
    /// print(v.numpy())
    /// ```
    #[test]
    fn three_steps_equal_those_of_keras() -> candle_core::Result<()> {
        let var = Var::new(&[1f32, -2.0, 3.0], &Device::Cpu)?;
        let spec = TensorSpec { name: "x".into(), shape: vec![3], role: Role::Bias };
        let mut adam = Adam::new(std::iter::once(Slot::new(Parameter { spec, var: var.clone() }, 1.0, 0.0)));
        let slope = Tensor::new(&[1f32, 1e-6, -2.0], &Device::Cpu)?;
        for _ in 0..3 {
            // The gradient of half the weighted square is the weighted value.
            let loss = (var.sqr()? * &slope)?.sum_all()?.affine(0.5, 0.0)?;
            adam.step(&loss.backward()?, 1e-2)?;
        }
        let values: Vec<f32> = var.to_vec1()?;
        for (value, keras) in values.iter().zip([0.970_010_4, -1.986_187_2, 3.030_002_8]) {
            assert!((value - keras).abs() < 1e-6, "{values:?}");
        }
        Ok(())
    }
}
