//! rten, by its own loader of ONNX files.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rten::{Model, RunOptions, ThreadPool};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

use crate::{Work, image};

pub fn load(folder: &Path, form: &str, threads: usize) -> Result<Work> {
    let model = Model::load_file(folder.join(form).with_extension("onnx"))?;
    let (side, numbers) = image(folder)?;
    let image = Tensor::from_data(&[1, 3, side, side], numbers);
    let pool = Arc::new(ThreadPool::with_num_threads(threads));
    Ok(Box::new(move || {
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&pool)));
        let probabilities: Tensor<f32> = model.run_one(image.view().into(), Some(options))?.try_into()?;
        Ok(probabilities[[0, 1]])
    }))
}
