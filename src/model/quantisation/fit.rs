//! The walk through a network that fits the whole numbers of its dense layers.
//!
//! In: a network and images. Out: [`QuantisedConvs`]. All images go through the network layer by layer, once in f32 and
//! once with the convolutions that are fitted already in whole numbers. So each convolution is fitted to inputs that
//! have the errors of all before it, and the mean of what it is wrong by is taken back behind it.

use candle_core::{Error, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::kernels::Level;
use crate::kernels::densenet::inference::FoldedNorm;
use crate::kernels::im2col::PatchPlane;
use crate::kernels::ops::conv2d::forward as convolve;
use crate::kernels::ops::max_pool;
use crate::kernels::slices;
use crate::model::networks::folded;
use crate::model::quantisation::rounding::{factor_of_products, rounded, scaled, steps};
use crate::model::quantisation::{QuantisedConv, QuantisedConvs};
use crate::model::topology::{Conv, FusedNet, Norm, STEM_POOL, Topology, Transition};
use crate::model::{ModelError, Network, Parameters};

/// Rows of a convolution's inputs from which their products with each other are measured, at most.
const SAMPLE: usize = 6000;

/// Fits the whole numbers of all dense layers of a network to images (n, size, size, 3) that were preprocessed for it.
/// `None` for a network without dense layers. The same images give the same numbers, whatever the number of threads.
///
/// # Errors
/// When there are no images, they do not fit the network, or its numbers overflow on them.
pub fn fit(network: &Network, images: &Tensor) -> Result<Option<QuantisedConvs>, ModelError> {
    let Topology::Fused(net) = network.topology() else { return Ok(None) };
    if net.blocks.iter().all(|block| block.layers.is_empty()) {
        return Ok(None);
    }
    let walk = FittingWalk { parameters: network.parameters(), level: Level::default() };
    let mut fitted = QuantisedConvs::new();
    let mut maps = walk.stem(net, images)?;
    for block in &net.blocks {
        let room = maps.channels + block.layers.iter().map(|layer| layer.conv2.filters).sum::<usize>();
        maps = maps.with_room_for(room);
        for layer in &block.layers {
            let (conv1, squeezed) = walk.fitted(&layer.norm1, &layer.conv1, &maps)?;
            let (conv2, added) = walk.fitted(&layer.norm2, &layer.conv2, &squeezed)?;
            maps.append(&added);
            fitted.insert(layer.conv1.name.clone(), conv1);
            fitted.insert(layer.conv2.name.clone(), conv2);
        }
        if let Some(transition) = &block.transition {
            maps = walk.transition(transition, &maps)?;
        }
    }
    Ok(Some(fitted))
}

/// What both walks have of all images at one place of the network: (images, height, width, room), of which the first
/// channels are there.
struct Maps {
    height: usize,
    width: usize,
    channels: usize,
    /// Channels for which there is memory.
    room: usize,
    /// In f32.
    exact: Vec<f32>,
    /// By whole numbers.
    quantised: Vec<f32>,
}

impl Maps {
    /// Maps of zeros without room for more channels.
    fn zeros(images: usize, height: usize, width: usize, channels: usize) -> Self {
        let values = vec![0.0; images * height * width * channels];
        Self { height, width, channels, room: channels, exact: values.clone(), quantised: values }
    }

    /// Numbers of one image.
    fn size(&self) -> usize {
        self.height * self.width * self.room
    }

    fn images(&self) -> usize {
        self.exact.len() / self.size()
    }

    fn with_room_for(self, room: usize) -> Self {
        let Self { height, width, channels, room: old, .. } = self;
        let copy = |values: Vec<f32>| {
            let mut copy = vec![0.0; values.len() / old * room];
            for (to, from) in copy.chunks_exact_mut(room).zip(values.chunks_exact(old)) {
                to[..channels].copy_from_slice(&from[..channels]);
            }
            copy
        };
        Self { height, width, channels, room, exact: copy(self.exact), quantised: copy(self.quantised) }
    }

    /// Lays the channels of `added`, which has no room for more, behind those that are there.
    fn append(&mut self, added: &Self) {
        let range = self.channels..self.channels + added.channels;
        for (maps, added_maps) in [(&mut self.exact, &added.exact), (&mut self.quantised, &added.quantised)] {
            let positions = maps.par_chunks_exact_mut(self.room).zip(added_maps.par_chunks_exact(added.channels));
            positions.for_each(|(position, added)| position[range.clone()].copy_from_slice(added));
        }
        self.channels = range.end;
    }

    /// These maps, unless some of their numbers are none: then an error that names the convolution they come from.
    fn finite(self, conv: &Conv) -> Result<Self, ModelError> {
        check(&self.exact, conv)?;
        check(&self.quantised, conv)?;
        Ok(self)
    }
}

/// Refuses a convolution's outputs that are infinite or no number: a ReLU would make zeros of the latter.
fn check(outputs: &[f32], conv: &Conv) -> Result<(), ModelError> {
    if outputs.par_iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    let (origin, tensor) = ("the network".to_owned(), format!("{}.weight", conv.name));
    Err(ModelError::Numbers { origin, tensor, what: "numbers that overflow on the images" })
}

/// A norm, the ReLU behind it, and where its inputs stand.
struct Activation<'a> {
    norm: &'a FoldedNorm,
    /// Channels for which there is memory at each position, of which the norm's are the first.
    room: usize,
}

impl Activation<'_> {
    /// Calls `f` with the activations of each position of an image and the number of its channel.
    fn for_each(&self, image: &[f32], mut f: impl FnMut(usize, f32)) {
        for position in image.chunks_exact(self.room) {
            for (channel, ((x, scale), shift)) in
                position.iter().zip(&self.norm.scale).zip(&self.norm.shift).enumerate()
            {
                f(channel, (x * scale + shift).max(0.0));
            }
        }
    }

    /// The activations of an image.
    fn of(&self, image: &[f32]) -> Vec<f32> {
        let mut activations = Vec::with_capacity(image.len() / self.room * self.norm.scale.len());
        self.for_each(image, |_, activation| activations.push(activation));
        activations
    }
}

struct FittingWalk<'a> {
    parameters: &'a Parameters,
    level: Level,
}

impl FittingWalk<'_> {
    fn kernel(&self, conv: &Conv) -> Result<Vec<f32>, Error> {
        self.parameters.get(&conv.name, "weight")?.flatten_all()?.to_vec1()
    }

    /// What the first block sees, which is the same in both walks.
    fn stem(&self, net: &FusedNet, images: &Tensor) -> Result<Maps, ModelError> {
        let (count, height, width, channels) = images.dims4()?;
        if count == 0 || height == 0 || width == 0 || channels != net.stem.channels {
            let text = format!("{count} images of {height}x{width}x{channels} do not fit the stem");
            return Err(Error::Msg(text).into());
        }
        let plane = PatchPlane::new(net.stem.geometry, height, width, channels);
        let filters = net.stem.filters;
        let mut convolved = vec![0.0; count * plane.positions() * filters];
        let kernel = self.kernel(&net.stem)?;
        slices::with([images], |[images]| convolve(self.level, images, &kernel, plane, filters, &mut convolved))?;
        check(&convolved, &net.stem)?;
        let norm = folded(&net.stem_norm, self.parameters)?;
        let size = plane.positions() * filters;
        convolved.par_chunks_exact_mut(size).for_each(|image| {
            let activations = Activation { norm: &norm, room: filters }.of(image);
            image.copy_from_slice(&activations);
        });
        let shape = (count, plane.out_height, plane.out_width, filters);
        let pooled = max_pool(&Tensor::from_vec(convolved, shape, images.device())?, STEM_POOL)?;
        let (_, height, width, channels) = pooled.dims4()?;
        let exact = pooled.flatten_all()?.to_vec1::<f32>()?;
        Ok(Maps { height, width, channels, room: channels, quantised: exact.clone(), exact })
    }

    /// A convolution's whole numbers, fitted to the first channels of the maps, and what it makes of them.
    fn fitted(&self, norm: &Norm, conv: &Conv, maps: &Maps) -> Result<(QuantisedConv, Maps), ModelError> {
        let norm = folded(norm, self.parameters)?;
        let activation = Activation { norm: &norm, room: maps.room };
        let kernel = self.kernel(conv)?;
        let steps = steps(&maxima(&activation, maps, conv.channels), &kernel, conv.filters);
        let levels = levels(&activation, &steps, maps);
        let plane = PatchPlane::new(conv.geometry, maps.height, maps.width, conv.channels);
        let (scaled, scales) = scaled(&kernel, &steps, conv.filters);
        let factor = factor_of_products(self.level, &sampled_rows(&levels, plane), plane.depth());
        let weights = rounded(&scaled, &factor, conv.filters);

        let mut outputs = Maps::zeros(maps.images(), plane.out_height, plane.out_width, conv.filters);
        let whole: Vec<f32> = weights.iter().map(|weight| f32::from(*weight)).collect();
        let (filters, size) = (conv.filters, outputs.size());
        let exact = outputs.exact.par_chunks_exact_mut(size).zip(maps.exact.par_chunks_exact(maps.size()));
        let quantised = outputs.quantised.par_chunks_exact_mut(size).zip(levels.par_chunks_exact(plane.input()));
        // Each image's errors, filter by filter.
        let errors = exact.zip(quantised).map(|((exact, image), (quantised, levels))| {
            convolve(self.level, &activation.of(image), &kernel, plane, filters, exact);
            let levels: Vec<f32> = levels.iter().map(|level| f32::from(*level)).collect();
            convolve(self.level, &levels, &whole, plane, filters, quantised);
            let mut errors = vec![0f64; filters];
            for (exact, quantised) in exact.chunks_exact(filters).zip(quantised.chunks_exact_mut(filters)) {
                for (((exact, quantised), scale), error) in exact.iter().zip(quantised).zip(&scales).zip(&mut errors) {
                    *quantised *= scale;
                    *error += f64::from(exact - *quantised);
                }
            }
            errors
        });
        let errors: Vec<Vec<f64>> = errors.collect();
        let positions = (maps.images() * plane.positions()) as f64;
        let shift = |filter: usize| (errors.iter().map(|errors| errors[filter]).sum::<f64>() / positions) as f32;
        let shifts: Vec<f32> = (0..filters).map(shift).collect();
        outputs.quantised.par_chunks_exact_mut(filters).for_each(|outputs| slices::add_into(outputs, &shifts));
        Ok((QuantisedConv { weights, steps, scales, shifts }, outputs.finite(conv)?))
    }

    /// What the next block sees. The average comes before the 1x1 convolution, which changes nothing but the work.
    fn transition(&self, transition: &Transition, maps: &Maps) -> Result<Maps, ModelError> {
        let Transition { norm, conv } = transition;
        if maps.height < 2 || maps.width < 2 {
            return Err(Error::Msg(format!("the images are too small: nothing is left behind {}", conv.name)).into());
        }
        let norm = folded(norm, self.parameters)?;
        let activation = Activation { norm: &norm, room: maps.room };
        let kernel = self.kernel(conv)?;
        let (height, width) = (maps.height / 2, maps.width / 2);
        let plane = PatchPlane::new(conv.geometry, height, width, conv.channels);
        let mut outputs = Maps::zeros(maps.images(), height, width, conv.filters);
        let size = outputs.size();
        for (outputs, maps_of_walk) in [(&mut outputs.exact, &maps.exact), (&mut outputs.quantised, &maps.quantised)] {
            let images = outputs.par_chunks_exact_mut(size).zip(maps_of_walk.par_chunks_exact(maps.size()));
            images.for_each(|(out, image)| {
                let halved = halved(&activation.of(image), maps.width, conv.channels);
                convolve(self.level, &halved, &kernel, plane, conv.filters, out);
            });
        }
        outputs.finite(conv)
    }
}

/// The largest activation of each channel, exactly.
fn maxima(activation: &Activation<'_>, maps: &Maps, channels: usize) -> Vec<f32> {
    let of_image = |image: &[f32]| {
        let mut maxima = vec![0f32; channels];
        activation.for_each(image, |channel, value| maxima[channel] = maxima[channel].max(value));
        maxima
    };
    let larger = |mut a: Vec<f32>, b: Vec<f32>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = a.max(b));
        a
    };
    maps.exact.par_chunks_exact(maps.size()).map(of_image).reduce(|| vec![0.0; channels], larger)
}

/// What the activations of the walk in whole numbers become: (images, positions, channels).
fn levels(activation: &Activation<'_>, steps: &[f32], maps: &Maps) -> Vec<u8> {
    let channels = steps.len();
    let mut levels = vec![0; maps.quantised.len() / maps.room * channels];
    let images = levels.par_chunks_exact_mut(maps.height * maps.width * channels);
    images.zip(maps.quantised.par_chunks_exact(maps.size())).for_each(|(levels, image)| {
        let mut levels = levels.iter_mut();
        // The conversion cuts off what is above 255.
        activation.for_each(image, |channel, value| {
            if let Some(level) = levels.next() {
                *level = (value / steps[channel]).round_ties_even() as u8;
            }
        });
    });
    levels
}

/// Some of the rows that a convolution multiplies, (rows, depth): all if there are few, else always the same ones.
fn sampled_rows(levels: &[u8], plane: PatchPlane) -> Vec<f32> {
    let total = levels.len() / plane.input() * plane.positions();
    let mut drawn: Vec<usize> = (0..total).collect();
    if total > SAMPLE {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for index in 0..SAMPLE {
            drawn.swap(index, rng.random_range(index..total));
        }
        drawn.truncate(SAMPLE);
        drawn.sort_unstable();
    }
    let of_image = |(number, levels): (usize, &[u8])| {
        let image: Vec<f32> = levels.iter().map(|level| f32::from(*level)).collect();
        let first = number * plane.positions();
        let from = drawn.partition_point(|row| *row < first);
        let to = drawn.partition_point(|row| *row < first + plane.positions());
        let mut rows = Vec::with_capacity((to - from) * plane.depth());
        let mut scratch = Vec::new();
        for row in &drawn[from..to] {
            rows.extend_from_slice(plane.patches(&image, row - first, 1, &mut scratch));
        }
        rows
    };
    let rows: Vec<Vec<f32>> = levels.par_chunks_exact(plane.input()).enumerate().map(of_image).collect();
    rows.concat()
}

/// The averages of 2x2 positions of an image of `width` columns; a last row or column without a partner is left out.
fn halved(image: &[f32], width: usize, channels: usize) -> Vec<f32> {
    let row = width * channels;
    let mut averages = Vec::with_capacity(image.len() / 4);
    for rows in image.chunks_exact(2 * row) {
        let (upper, lower) = rows.split_at(row);
        for (upper, lower) in upper.chunks_exact(2 * channels).zip(lower.chunks_exact(2 * channels)) {
            let sum = |c: usize| upper[c] + upper[channels + c] + lower[c] + lower[channels + c];
            averages.extend((0..channels).map(|c| 0.25 * sum(c)));
        }
    }
    averages
}
