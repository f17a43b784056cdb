//! The preprocessing behind the resize as nodes: scaling, the decorrelation stretch, normalisation.
//!
//! In: pixels (batch, 3, size, size) from 0 to 255. Out: what the network takes.

use crate::interchange::onnx::builder::{Attribute, GraphBuilder};
use crate::pixels::{DARKEST, DecorrelationStretch, LAlphaBeta, Preprocess, ROOT_STEPS};

impl GraphBuilder {
    pub(super) fn preprocess(&mut self, preprocess: &Preprocess, pixels: &str) -> String {
        let scale = self.tensor("preprocess.scale", &[], &[255.0]);
        let mut images = self.node("Div", "preprocess.scaled", &[pixels, &scale], []);
        if let Some(stretch) = &preprocess.decorrelation_stretch {
            images = self.stretch(stretch, preprocess.size, &images);
        }
        let mean = self.tensor("preprocess.mean", &[3, 1, 1], &preprocess.mean);
        let std = self.tensor("preprocess.std", &[3, 1, 1], &preprocess.std);
        let centred = self.node("Sub", "preprocess.centred", &[&images, &mean], []);
        self.node("Div", "preprocess.normalised", &[&centred, &std], [])
    }

    /// [`DecorrelationStretch::apply`]: colours as columns of three numbers, so that matrices stand on the left.
    fn stretch(&mut self, stretch: &DecorrelationStretch, size: u32, images: &str) -> String {
        let space = LAlphaBeta::new();
        let name = |what: &str| format!("preprocess.decorrelation_stretch.{what}");
        let (side, pixels) = (i64::from(size), i64::from(size) * i64::from(size));
        let flat = self.integers(&name("flat"), &[0, 3, pixels]);
        let square = self.integers(&name("square"), &[0, 3, side, side]);
        let mut matrix = |what: &str, rows: [[f32; 3]; 3]| self.tensor(&name(what), &[3, 3], rows.as_flattened());
        let lms_from_rgb = matrix("lms_from_rgb", space.lms_from_rgb);
        let lab_from_lms = matrix("lab_from_lms", space.lab_from_lms);
        let lms_from_lab = matrix("lms_from_lab", space.lms_from_lab);
        let rgb_from_lms = matrix("rgb_from_lms", space.rgb_from_lms);
        let darkest = self.tensor(&name("darkest"), &[], &[DARKEST]);

        let colours = self.node("Reshape", &name("columns"), &[images, &flat], []);
        let lms = self.node("MatMul", &name("lms"), &[&lms_from_rgb, &colours], []);
        let lms = self.node("Max", &name("lightened"), &[&lms, &darkest], []);
        let lms = self.node("Log", &name("logarithms"), &[&lms], []);
        let lab = self.node("MatMul", &name("lab"), &[&lab_from_lms, &lms], []);
        let mean = self.node("ReduceMean", &name("mean"), &[&lab], [Attribute::Ints("axes", vec![2])]);
        let centred = self.node("Sub", &name("centred"), &[&lab, &mean], []);
        let whitening = self.whitening(stretch, pixels, &centred, name);
        let stretched = self.node("MatMul", &name("stretched"), &[&whitening, &centred], []);
        let lab = self.node("Add", &name("shifted"), &[&stretched, &mean], []);
        let lms = self.node("MatMul", &name("lms_again"), &[&lms_from_lab, &lab], []);
        let lms = self.node("Exp", &name("responses"), &[&lms], []);
        let rgb = self.node("MatMul", &name("rgb"), &[&rgb_from_lms, &lms], []);
        let [zero, one] = [("zero", 0.0), ("one", 1.0)].map(|(what, value)| self.tensor(&name(what), &[], &[value]));
        let rgb = self.node("Clip", &name("clipped"), &[&rgb, &zero, &one], []);
        self.node("Reshape", &name("image"), &[&rgb, &square], [])
    }

    /// The matrix that gives centred colours the asked deviations, by the steps of the iteration one after the other:
    /// tract knows no `Loop`.
    fn whitening(
        &mut self,
        stretch: &DecorrelationStretch,
        pixels: i64,
        centred: &str,
        name: impl Fn(&str) -> String,
    ) -> String {
        let diagonal = |value: f32| [[value, 0.0, 0.0], [0.0, value, 0.0], [0.0, 0.0, value]];
        let mut matrix = |what: &str, value| self.tensor(&name(what), &[3, 3], diagonal(value).as_flattened());
        let (unit, noise) = (matrix("unit", 1.0), matrix("noise", stretch.noise));
        let one_and_a_half = matrix("one_and_a_half", 1.5);
        let half = self.tensor(&name("half"), &[], &[0.5]);
        let count = self.tensor(&name("pixels"), &[], &[pixels as f32]);
        let deviation = self.tensor(&name("deviation"), &[3, 1], &stretch.deviation);
        let axes = self.integers(&name("axes"), &[1, 2]);

        let rows = [Attribute::Ints("perm", vec![0, 2, 1])];
        let transposed = self.node("Transpose", &name("rows"), &[centred], rows);
        let products = self.node("MatMul", &name("products"), &[centred, &transposed], []);
        let covariance = self.node("Div", &name("covariance"), &[&products, &count], []);
        let covariance = self.node("Add", &name("with_noise"), &[&covariance, &noise], []);
        let variances = self.node("Mul", &name("variances"), &[&covariance, &unit], []);
        let trace = self.node("ReduceSum", &name("trace"), &[&variances, &axes], []);
        let mut root = self.node("Div", &name("root0"), &[&covariance, &trace], []);
        let mut inverse = unit;
        for step in 1..=ROOT_STEPS {
            let name = |what: &str| name(&format!("{what}{step}"));
            let together = self.node("MatMul", &name("together"), &[&inverse, &root], []);
            let together = self.node("Mul", &name("halved"), &[&together, &half], []);
            let correction = self.node("Sub", &name("correction"), &[&one_and_a_half, &together], []);
            root = self.node("MatMul", &name("root"), &[&root, &correction], []);
            inverse = self.node("MatMul", &name("inverse"), &[&correction, &inverse], []);
        }
        let scale = self.node("Sqrt", &name("scale"), &[&trace], []);
        let inverse = self.node("Div", &name("inverse_root"), &[&inverse, &scale], []);
        self.node("Mul", &name("whitening"), &[&inverse, &deviation], [])
    }
}
