//! Recipes: every number that a training depends on, as readable data in the TOML files beside this one.
//!
//! In: a recipe's name and what is to be different. Out: a [`Recipe`], which a run writes into its config.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::model::{Architecture, NormPolicy, Parameter, Role, TrainingPass, in_backbone};
use crate::pixels::{Preprocess, Resampling};
use crate::train::fit::callbacks::check_min_delta;
use crate::train::{Decay, EarlyStopping, Plateau, Slot, TrainError};

/// A way to train a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Its name on the command line.
    pub name: String,
    /// Where the network's tensors come from.
    pub start: Start,
    /// What the start values of the head's kernels are multiplied by. Glorot's, with 1, are sure of much before
    /// anything is learned.
    pub head_scale: f64,
    /// Passes over the training part.
    pub epochs: usize,
    /// Samples in a step.
    pub batch: usize,
    /// Adam's learning rate for the head, at its peak.
    pub learning_rate: f64,
    /// The backbone's learning rate as a share of the head's.
    pub backbone_share: f64,
    /// Share of the label that is spread over both classes.
    pub label_smoothing: f64,
    /// Share of the head's kernels that a step takes away, per unit of learning rate (decoupled, as in AdamW).
    pub weight_decay: f64,
    /// Epochs in which the learning rate rises from zero.
    pub warm_up: f64,
    /// What the learning rate does after that.
    pub decay: Decay,
    /// Which epoch's weights the run ends with.
    pub keep: Keep,
    /// What is made of each image.
    pub augmentation: Augmentation,
    /// When to stop before the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// When to lower the learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau: Option<Plateau>,
    /// How the backbone normalises while it is trained.
    pub backbone_norm: NormPolicy,
    /// How the head normalises while it is trained.
    pub head_norm: NormPolicy,
    /// How images are prepared.
    pub preprocess: Preprocess,
    /// The network.
    pub architecture: Architecture,
}

/// Where a network's tensors come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Keras's start values, drawn by the run's seed.
    Glorot,
    /// The backbone from tensors that were trained on ImageNet, the rest as above.
    Imagenet,
}

/// Which epoch's weights a run ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the epoch with the lowest validation loss.
    Best,
    /// Those of the last epoch.
    Last,
}

/// What is made of each image of the training part, anew in each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Its turns and mirror images.
    pub views: Views,
    /// How far the stains' strengths go up and down, as a share of them.
    pub stain: f64,
    /// How much of its sides is left out at most: with 0.3 a square crop of 0.7 to 1 of both, from anywhere, is shown.
    pub zoom: f64,
    /// The share of images that get the colour statistics of another image of the train part, whatever that one shows.
    pub exchange: f64,
}

/// The turns and mirror images of an image that an epoch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Views {
    /// The image as it is.
    Identity,
    /// The report's three, each of them a sample.
    Report,
    /// One of the eight, at random.
    Dihedral,
}

/// The recipes that come with the program, by name.
const RECIPES: [(&str, &str); 4] = [
    ("baseline", include_str!("baseline.toml")),
    ("augmented", include_str!("augmented.toml")),
    ("transfer", include_str!("transfer.toml")),
    ("best", include_str!("best.toml")),
];

impl Recipe {
    /// The names of the recipes that come with the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RECIPES.into_iter().map(|(name, _)| name)
    }

    /// A recipe by its name, with other values where `changes` (`key=value`, `table.key=value`) say so.
    ///
    /// # Errors
    /// When there is no such recipe, a change names no value of a recipe, or a value does not fit; the error says what
    /// there is.
    pub fn named(name: &str, changes: &[&str]) -> Result<Self, TrainError> {
        let unfit = |reason: String| TrainError::Recipe { name: name.to_owned(), reason };
        let Some((_, text)) = RECIPES.into_iter().find(|(known, _)| *known == name) else {
            let known = Vec::from_iter(Self::names()).join(", ");
            return Err(unfit(format!("no recipe has that name; there are {known}")));
        };
        let mut table: Table = text.parse().map_err(|error| unfit(format!("{error}")))?;
        for change in changes {
            set(&mut table, change).map_err(unfit)?;
        }
        let recipe: Self = Value::Table(table).try_into().map_err(|error: toml::de::Error| {
            // The reader quotes the file's first line, which is of no use here.
            unfit(format!("{} (with {})", error.message(), changes.join(", ")))
        })?;
        let known = Table::try_from(&recipe).map_err(|error| unfit(error.to_string()))?;
        for change in changes {
            let key = change.split('=').next().unwrap_or_default().trim();
            if find(&known, key).is_none() {
                return Err(unfit(format!("it has no value {key}; it has {}", keys(&known).join(", "))));
            }
        }
        recipe.check().map_err(unfit)?;
        Ok(recipe)
    }

    /// Refuses numbers that no training can be made of.
    fn check(&self) -> Result<(), String> {
        let Self { epochs, batch, learning_rate, preprocess, architecture, .. } = self;
        let Augmentation { stain, zoom, exchange, .. } = self.augmentation;
        let finite = |value: f64| value.is_finite() && value >= 0.0;
        let share = |value: f64| (0.0..1.0).contains(&value);
        let rate = format!("learning_rate must be above 0, not {learning_rate}");
        let resampling = zoom == 0.0 || preprocess.resampling == Resampling::Antialiased;
        let rules = [
            (*epochs >= 1, "epochs must be at least 1"),
            (*batch >= 2, "batch must be at least 2, because a batch norm of one sample learns nothing"),
            (learning_rate.is_finite() && *learning_rate > 0.0, &rate),
            (self.head_scale.is_finite() && self.head_scale > 0.0, "head_scale must be above 0"),
            (finite(self.backbone_share), "backbone_share must be 0 or more"),
            (finite(self.weight_decay), "weight_decay must be 0 or more"),
            (finite(self.warm_up), "warm_up must be 0 or more epochs"),
            (share(self.label_smoothing), "label_smoothing must be from 0 up to, but not, 1"),
            (share(stain), "augmentation.stain must be from 0 up to, but not, 1"),
            (share(zoom), "augmentation.zoom must be from 0 up to, but not, 1"),
            ((0.0..=1.0).contains(&exchange), "augmentation.exchange must be from 0 to 1"),
            (resampling, "augmentation.zoom needs preprocess.resampling = antialiased"),
        ];
        if let Some((_, reason)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(reason.to_owned());
        }
        if let Some(stopping) = &self.early_stopping {
            check_min_delta(stopping.min_delta).map_err(|reason| format!("early_stopping: {reason}"))?;
        }
        if let Some(plateau) = &self.plateau {
            plateau.check().map_err(|reason| format!("plateau: {reason}"))?;
        }
        preprocess.check().map_err(|error| error.to_string())?;
        architecture.check(preprocess.size)
    }

    /// The forward pass of a training step; `dropout` decides what is dropped.
    pub(crate) fn training(&self, dropout: u64) -> TrainingPass {
        TrainingPass { backbone: self.backbone_norm, head: self.head_norm, dropout: Some(dropout) }
    }

    /// What of it is decided by the validation part, which such a recipe cannot do without.
    pub fn steered_by(&self) -> Option<&'static str> {
        let rules = [
            (self.early_stopping.is_some(), "early_stopping"),
            (self.plateau.is_some(), "plateau"),
            (self.keep == Keep::Best, "keep = \"best\""),
        ];
        rules.into_iter().find_map(|(holds, name)| holds.then_some(name))
    }

    /// How a parameter is optimised.
    pub fn slot(&self, parameter: &Parameter) -> Slot {
        let backbone = in_backbone(&parameter.spec.name);
        let kernel = matches!(parameter.spec.role, Role::ConvKernel | Role::DenseKernel);
        let share = if backbone { self.backbone_share } else { 1.0 };
        let weight_decay = if kernel && !backbone { self.weight_decay } else { 0.0 };
        Slot::new(parameter.clone(), share, weight_decay)
    }
}

/// Puts a change (`table.key=value`) into a recipe's table.
fn set(table: &mut Table, change: &str) -> Result<(), String> {
    let wrong =
        || format!("{change:?} is no change; one is written key=value, such as epochs=5 or augmentation.zoom=0");
    let (key, text) = change.split_once('=').ok_or_else(wrong)?;
    let (key, text) = (key.trim(), text.trim());
    if key == "name" {
        return Err("its name is that of the recipe, by which runs are compared, and cannot be another".to_owned());
    }
    // What is no number, list or truth value is a word.
    let value = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
    let mut path = key.split('.').rev();
    let last = path.next().filter(|last| !last.is_empty()).ok_or_else(wrong)?;
    let mut place = table;
    for name in path.rev() {
        let inner = place.entry(name).or_insert_with(|| Value::Table(Table::new()));
        place = inner.as_table_mut().ok_or_else(|| format!("{name} is a value and no table"))?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// The value of a key (`table.key`).
pub(crate) fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    match (table.get(first)?, rest) {
        (value, "") => Some(value),
        (Value::Table(inner), rest) => find(inner, rest),
        _ => None,
    }
}

/// The keys of all values of a table and of the tables in it.
pub(crate) fn keys(table: &Table) -> Vec<String> {
    let names = table.iter().map(|(name, value)| match value {
        Value::Table(inner) => keys(inner).into_iter().map(|key| format!("{name}.{key}")).collect(),
        _ => vec![name.clone()],
    });
    names.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, changes: &[&str]) -> Result<Recipe, String> {
        Recipe::named(name, changes).map_err(|error| error.to_string())
    }

    #[test]
    fn the_recipes_are_those_of_the_report_and_ours() {
        let recipe = |name| named(name, &[]).unwrap();
        for name in ["baseline", "augmented", "transfer"] {
            let recipe = recipe(name);
            assert_eq!((recipe.name.as_str(), recipe.epochs, recipe.batch), (name, 20, 64));
            assert_eq!(recipe.preprocess, Preprocess::report());
            assert_eq!(recipe.early_stopping.map(|stop| stop.patience), Some(10));
            assert_eq!(recipe.plateau.map(|plateau| plateau.patience), Some(5));
            let plain = [recipe.label_smoothing, recipe.weight_decay, recipe.warm_up];
            assert_eq!((plain, recipe.backbone_share, recipe.decay), ([0.0; 3], 1.0, Decay::Constant));
        }
        assert_eq!(recipe("baseline").architecture, Architecture::baseline());
        assert_eq!(
            Recipe { name: "baseline".into(), augmentation: recipe("baseline").augmentation, ..recipe("augmented") },
            recipe("baseline")
        );
        assert_eq!(recipe("augmented").augmentation.views, Views::Report);
        assert_eq!(recipe("transfer").architecture, Architecture::fused_densenet121());
        assert_eq!((recipe("baseline").learning_rate, recipe("transfer").learning_rate), (1e-3, 1e-5));
        assert_eq!((recipe("transfer").start, recipe("baseline").start), (Start::Imagenet, Start::Glorot));
        assert_eq!(recipe("best").architecture, recipe("transfer").architecture);
        let best = recipe("best").preprocess;
        assert!(best.decorrelation_stretch.is_some());
        assert_eq!(Preprocess { decorrelation_stretch: None, ..best }, Preprocess::imagenet());
    }

    #[test]
    fn every_value_can_be_changed_and_comes_back_from_its_text() {
        let changes =
            ["epochs=3", "augmentation.zoom = 0", "keep=best", "architecture.dropout=0", "backbone_norm.source=batch"];
        let recipe = named("best", &changes).unwrap();
        assert_eq!((recipe.epochs, recipe.keep), (3, Keep::Best));
        assert_eq!(recipe.augmentation.zoom, 0.0);
        assert_eq!(toml::from_str::<Recipe>(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
        let stopping = named("best", &["early_stopping.patience=2", "early_stopping.min_delta=0"]).unwrap();
        assert_eq!(stopping.early_stopping, Some(EarlyStopping { patience: 2, min_delta: 0.0 }));
    }

    #[test]
    fn a_change_that_means_nothing_is_refused_with_what_there_is() {
        for (change, message) in [
            ("epoch=3", "epoch"),
            ("architecture.hiden=3", "architecture.hidden"),
            ("epochs", "key=value"),
            ("=3", "key=value"),
            ("epochs=many", "epochs"),
            ("epochs=0", "at least 1"),
            ("epochs.x=0", "no table"),
            ("batch=1", "at least 2"),
            ("learning_rate=0", "above 0"),
            ("learning_rate=nan", "above 0"),
            ("decay=linear", "cosine"),
            ("architecture.dropout=1", "dropout"),
            ("preprocess.size=16", "at least 32x32"),
            ("early_stopping.patience=3", "min_delta"),
        ] {
            let refusal = named("best", &[change]).unwrap_err();
            assert!(refusal.contains("best") && refusal.contains(message), "{change}: {refusal}");
        }
        assert!(named("worst", &[]).unwrap_err().contains("baseline, augmented, transfer, best"));
    }

    #[test]
    fn only_recipes_that_run_to_their_last_epoch_do_without_a_validation_part() {
        let steered = |name, changes: &[&str]| named(name, changes).unwrap().steered_by();
        assert_eq!(steered("best", &[]), None);
        assert_eq!(steered("best", &["keep=best"]), Some("keep = \"best\""));
        assert!(["baseline", "augmented", "transfer"].iter().all(|name| steered(name, &[]) == Some("early_stopping")));
    }
}
