//! The tensors of a network by name, as candle variables in the layout that the kernels want.
//!
//! In: the list of tensors of an [`Architecture`] and a seed, or stored tensors. Out: a [`Var`] a name. A file holds
//! torch's layouts; in memory a convolution's kernel is (kernel * kernel * channels, filters) and a dense one is
//! (inputs, outputs), so that both multiply rows of channels from the right.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::kernels::{BatchNorm, Moments, NormMode};
use crate::model::topology::Norm;
use crate::model::{Architecture, ModelError, Role, StoredTensor, StoredTensors, TensorSpec};

/// How batch normalisation works in training; the moving moments follow the batch's either way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormPolicy {
    /// What is normalised by.
    pub source: NormMode,
    /// Share of the moving moments that a step keeps; 0.99 in Keras.
    pub momentum: f64,
}

/// One tensor of a network.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name, its role, and its shape in a file.
    pub spec: TensorSpec,
    /// Its value, in the layout of this program.
    pub var: Var,
}

/// All tensors of a network.
#[derive(Clone, Debug)]
pub struct Parameters {
    by_name: BTreeMap<String, Parameter>,
}

impl Parameters {
    /// Start values: Glorot-uniform kernels, zero biases, batch norms that change nothing. Every tensor draws from
    /// its own stream of the seed, so one does not depend on which others there are.
    ///
    /// # Errors
    /// When candle fails.
    pub fn initial(architecture: &Architecture, seed: u64) -> Result<Self, ModelError> {
        let mut tensors = StoredTensors::new();
        for (stream, spec) in architecture.tensors().into_iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream as u64);
            let count = spec.shape.iter().product();
            let data = match spec.role {
                Role::ConvKernel | Role::DenseKernel => glorot_uniform(&spec.shape, count, &mut rng),
                Role::Bias | Role::Beta | Role::Mean => vec![0.0; count],
                Role::Gamma | Role::Variance => vec![1.0; count],
            };
            tensors.insert(spec.name, StoredTensor { shape: spec.shape, data });
        }
        Self::from_stored(architecture, &tensors, "the start values")
    }

    /// Multiplies the start values of the head's kernels (all dense ones outside the backbone).
    ///
    /// # Errors
    /// When candle fails.
    pub fn scale_head(&self, factor: f64) -> Result<(), ModelError> {
        let head = self.by_name.values().filter(|p| p.spec.role == Role::DenseKernel && !in_backbone(&p.spec.name));
        for parameter in head {
            parameter.var.set(&parameter.var.affine(factor, 0.0)?)?;
        }
        Ok(())
    }

    /// Takes every tensor of the network from `stored`, which must hold exactly those; `origin` names it in errors.
    ///
    /// # Errors
    /// When a tensor is missing, unexpected or of another shape, or holds what is not a number.
    pub fn from_stored(architecture: &Architecture, stored: &StoredTensors, origin: &str) -> Result<Self, ModelError> {
        Self::from_stored_without(architecture, stored, &BTreeMap::new(), origin)
    }

    /// The same where some tensors were left in their file, whose shapes are those of `left`.
    pub(super) fn from_stored_without(
        architecture: &Architecture,
        stored: &StoredTensors,
        left: &BTreeMap<String, Vec<usize>>,
        origin: &str,
    ) -> Result<Self, ModelError> {
        let mut specs = architecture.tensors();
        let misshapen: Vec<String> = specs
            .iter()
            .filter_map(|TensorSpec { name, shape, .. }| {
                let found = left.get(name).filter(|found| *found != shape)?;
                Some(format!("{name} is {found:?} and not {shape:?}"))
            })
            .collect();
        if !misshapen.is_empty() {
            let (missing, unexpected) = (Vec::new(), Vec::new());
            return Err(ModelError::Mismatch { origin: origin.to_owned(), missing, unexpected, misshapen });
        }
        specs.retain(|spec| !left.contains_key(&spec.name));
        check_names(&specs, &stored.iter().collect(), origin)?;
        let parameter = |spec: TensorSpec| {
            let (data, shape) = in_memory(&spec, &stored[&spec.name], origin)?;
            let var = Var::from_vec(data, shape, &Device::Cpu)?;
            Ok((spec.name.clone(), Parameter { spec, var }))
        };
        // In the order of the layers, so that of several errors it is always the first that is returned.
        let parameters: Vec<Result<_, ModelError>> = specs.into_par_iter().map(parameter).collect();
        Ok(Self { by_name: parameters.into_iter().collect::<Result<_, _>>()? })
    }

    /// Overwrites the backbone (all names under `features.`) with tensors that another program trained; what else
    /// `stored` holds, such as its classifier, is left aside.
    ///
    /// # Errors
    /// When a tensor of the backbone is missing or of another shape, or holds what is not a number.
    pub fn set_backbone(&self, stored: &StoredTensors, origin: &str) -> Result<(), ModelError> {
        let backbone = self.by_name.values().filter(|p| in_backbone(&p.spec.name));
        let specs: Vec<TensorSpec> = backbone.map(|p| p.spec.clone()).collect();
        let known = |name: &String| specs.iter().any(|spec| spec.name == *name);
        let wanted: BTreeMap<&String, &StoredTensor> = stored.iter().filter(|(name, _)| known(name)).collect();
        check_names(&specs, &wanted, origin)?;
        for spec in &specs {
            let (data, shape) = in_memory(spec, wanted[&spec.name], origin)?;
            self.by_name[&spec.name].var.set(&Tensor::from_vec(data, shape, &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// Those that are not of the backbone; the variables are the same ones.
    pub(super) fn without_backbone(&self) -> Self {
        let head = self.by_name.iter().filter(|(name, _)| !in_backbone(name));
        Self { by_name: head.map(|(name, parameter)| (name.clone(), parameter.clone())).collect() }
    }

    /// The tensors as a file holds them.
    ///
    /// # Errors
    /// When candle fails.
    pub fn stored(&self) -> Result<StoredTensors, ModelError> {
        let mut stored = StoredTensors::new();
        for (name, Parameter { spec, var }) in &self.by_name {
            let tensor = match spec.role {
                Role::ConvKernel => {
                    // (filters, channels, height, width)
                    let shape = &spec.shape;
                    var.reshape((shape[2], shape[3], shape[1], shape[0]))?.permute((3, 2, 0, 1))?
                }
                Role::DenseKernel => var.t()?,
                _ => var.as_tensor().clone(),
            };
            let data = tensor.flatten_all()?.to_vec1()?;
            stored.insert(name.clone(), StoredTensor { shape: spec.shape.clone(), data });
        }
        Ok(stored)
    }

    /// All tensors by name, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.by_name.values()
    }

    /// The variable of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, layer: &str, ending: &str) -> candle_core::Result<&Var> {
        match self.by_name.get(&format!("{layer}.{ending}")) {
            Some(parameter) => Ok(&parameter.var),
            None => candle_core::bail!("no tensor {layer}.{ending}"),
        }
    }

    /// The moving moments of a norm.
    pub(super) fn moving(&self, norm: &Norm) -> candle_core::Result<Moments> {
        let values = |ending| self.get(&norm.name, ending)?.to_vec1();
        Ok(Moments { mean: values("running_mean")?, variance: values("running_var")? })
    }

    /// A norm by the given moments, with its gamma and beta as they are now.
    pub(super) fn batch_norm(&self, norm: &Norm, moments: &Moments, mode: NormMode) -> candle_core::Result<BatchNorm> {
        let values = |ending| self.get(&norm.name, ending)?.to_vec1::<f32>();
        Ok(BatchNorm::new(&values("weight")?, &values("bias")?, moments, mode, norm.epsilon))
    }

    /// The moments to normalise with in training; the moving ones take a step towards the batch's.
    pub(super) fn follow(
        &self,
        norm: &Norm,
        batch: &Moments,
        policy: NormPolicy,
    ) -> candle_core::Result<(Moments, NormMode)> {
        let moving = self.moving(norm)?;
        let pairs = [("running_mean", &moving.mean, &batch.mean), ("running_var", &moving.variance, &batch.variance)];
        for (ending, old, new) in pairs {
            let step = |(old, new): (&f32, &f32)| {
                (policy.momentum * f64::from(*old) + (1.0 - policy.momentum) * f64::from(*new)) as f32
            };
            let moved: Vec<f32> = old.iter().zip(new).map(step).collect();
            self.get(&norm.name, ending)?.set(&Tensor::from_vec(moved, norm.channels, &Device::Cpu)?)?;
        }
        Ok(match policy.source {
            NormMode::Batch => (batch.clone(), NormMode::Batch),
            NormMode::Moving => (moving, NormMode::Moving),
        })
    }
}

/// Whether a layer or tensor of that name belongs to the backbone, which can start from another program's tensors.
pub fn in_backbone(name: &str) -> bool {
    name.starts_with("features.")
}

/// Keras's `glorot_uniform`: uniform within sqrt(6 / (fan in + fan out)); torch's layouts put outputs first.
fn glorot_uniform(shape: &[usize], count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let field: usize = shape[2..].iter().product();
    let limit = (6.0 / ((shape[0] + shape[1]) * field) as f64).sqrt() as f32;
    (0..count).map(|_| rng.random_range(-limit..limit)).collect()
}

/// A tensor's numbers and its shape in the layout of this program.
fn in_memory(spec: &TensorSpec, stored: &StoredTensor, origin: &str) -> Result<(Vec<f32>, Vec<usize>), ModelError> {
    let numbers = |what| ModelError::Numbers { origin: origin.to_owned(), tensor: spec.name.clone(), what };
    // All are looked at, since stopping at the first would keep the processor from looking at several at once.
    if !stored.data.iter().fold(true, |finite, value| finite & value.is_finite()) {
        return Err(numbers("NaN or infinity"));
    }
    if spec.role == Role::Variance && stored.data.iter().any(|value| *value < 0.0) {
        return Err(numbers("a variance below zero"));
    }
    Ok(match spec.role {
        Role::ConvKernel | Role::DenseKernel => filters_last(stored),
        _ => (stored.data.clone(), stored.shape.clone()),
    })
}

/// Filters whose numbers are moved together: as many as fill a cache line.
const FILTERS_AT_ONCE: usize = 16;

/// From torch's (filters, channels, height, width) to (height * width * channels, filters); a dense kernel is one
/// without height and width.
fn filters_last(stored: &StoredTensor) -> (Vec<f32>, Vec<usize>) {
    let (filters, channels) = (stored.shape[0], stored.shape[1]);
    let field: usize = stored.shape[2..].iter().product();
    let inputs = field * channels;
    let mut data = vec![0.0; inputs * filters];
    for (block, rows) in stored.data.chunks(FILTERS_AT_ONCE * inputs).enumerate() {
        for input in 0..inputs {
            let (channel, place) = (input / field, input % field);
            let target = &mut data[(place * channels + channel) * filters + block * FILTERS_AT_ONCE..];
            for (target, row) in target.iter_mut().zip(rows.chunks_exact(inputs)) {
                *target = row[input];
            }
        }
    }
    (data, vec![inputs, filters])
}

fn check_names(
    specs: &[TensorSpec],
    stored: &BTreeMap<&String, &StoredTensor>,
    origin: &str,
) -> Result<(), ModelError> {
    let (mut missing, mut misshapen, mut unexpected) =
        (Vec::new(), Vec::new(), stored.keys().copied().collect::<BTreeSet<_>>());
    for TensorSpec { name, shape, .. } in specs {
        unexpected.remove(name);
        match stored.get(name) {
            None => missing.push(name.clone()),
            Some(tensor) if tensor.shape != *shape => {
                misshapen.push(format!("{name} is {:?} and not {shape:?}", tensor.shape));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() && misshapen.is_empty() && unexpected.is_empty() {
        return Ok(());
    }
    let unexpected = unexpected.into_iter().cloned().collect();
    Err(ModelError::Mismatch { origin: origin.to_owned(), missing, unexpected, misshapen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_survive_the_way_to_a_file_and_back() -> Result<(), ModelError> {
        let architecture = Architecture::baseline();
        let stored = Parameters::initial(&architecture, 1)?.stored()?;
        assert_eq!(Parameters::from_stored(&architecture, &stored, "test")?.stored()?, stored);
        Ok(())
    }

    #[test]
    fn start_values_are_those_of_the_seed_and_within_glorots_limit() -> Result<(), ModelError> {
        let architecture = Architecture::baseline();
        let stored = |seed| Parameters::initial(&architecture, seed)?.stored();
        assert_eq!(stored(1)?, stored(1)?);
        assert_ne!(stored(1)?, stored(2)?);
        // sqrt(6 / ((32 + 64) * 9))
        let largest = stored(1)?["conv2.weight"].data.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!((0.0832..0.08334).contains(&largest), "{largest}");
        Ok(())
    }

    #[test]
    fn a_file_that_does_not_fit_or_holds_damaged_numbers_is_refused_by_names() -> Result<(), ModelError> {
        let baseline = Architecture::baseline();
        let mut stored = Parameters::initial(&baseline, 1)?.stored()?;
        let refusal = |architecture: &Architecture, stored: &StoredTensors| {
            Parameters::from_stored(architecture, stored, "x").unwrap_err().to_string()
        };
        let error = refusal(&Architecture::fused_densenet121(), &stored);
        assert!(error.contains("features.conv0.weight") && error.contains("unexpected: conv1.bias"), "{error}");
        stored.get_mut("conv2.bias").unwrap().data[3] = f32::NAN;
        let error = refusal(&baseline, &stored);
        assert!(error.contains("conv2.bias"), "{error}");
        Ok(())
    }
}
