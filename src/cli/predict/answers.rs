//! The answers as they come: printed, or put away for a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use rayon::prelude::*;

use super::answer::{Answer, Failure};
use super::heatmaps::Heatmaps;
use super::in_order::{Next, in_order};
use super::inputs::Root;
use super::layout::{Format, Layout};
use super::parts::Parts;
use super::progress::Progress;
use super::summary;
use super::{PredictArguments, Predictor};
use crate::cli::interruption::{INTERRUPTED, note_interruption};
use crate::cli::output;
use crate::diagnosis::RESEARCH_USE;
use crate::drift::{Expected, Tally};
use crate::pixels::{DecodeLimits, Fields, LargeImage, Note, read_bytes};
use crate::system::printable_path;

/// How many fields are predicted before the next lines are printed.
const FIELDS_AT_ONCE: usize = 32;

/// The answers so far, and where they go.
pub(super) struct Answers<'a> {
    arguments: &'a PredictArguments,
    sink: Sink,
    predictor: Predictor<'a>,
    /// Folders that images were looked for in.
    roots: Vec<Root>,
    interrupted: Arc<AtomicBool>,
}

/// What takes the answers one by one.
struct Sink {
    layout: Layout,
    /// Where they go if they are not printed.
    parts: Option<Parts>,
    /// An image without an answer ends the run. It has no row among the parts: `--resume` looks at it again.
    fail_fast: bool,
    /// What stands before the first one.
    head: String,
    /// Inputs that were not even found.
    not_found: usize,
    /// What came of those that were looked at; one that fails may have answers for some of its fields.
    tally: Tally,
    /// Some inputs were not looked at, or not to their end.
    is_cut_short: bool,
}

impl<'a> Answers<'a> {
    /// None yet; `not_found` inputs were not even found.
    pub(super) fn new(
        layout: Layout,
        arguments: &'a PredictArguments,
        predictor: Predictor<'a>,
        (roots, not_found): (Vec<Root>, usize),
        parts: Option<Parts>,
    ) -> anyhow::Result<Self> {
        let interrupted = note_interruption("stopping after these images; once more stops at once")?;
        let head = layout.head(&predictor.classifier, predictor.point.threshold.get())?;
        let (fail_fast, tally) = (arguments.fail_fast, Tally::default());
        let sink = Sink { layout, parts, fail_fast, head, not_found, tally, is_cut_short: false };
        Ok(Self { arguments, sink, predictor, roots, interrupted })
    }

    /// Answers for each image; `false` when nobody reads any more.
    pub(super) fn print_images(&mut self, images: &[PathBuf], heatmaps: Option<&Heatmaps>) -> anyhow::Result<bool> {
        let Self { sink, predictor, roots, interrupted, .. } = self;
        let before = sink.parts.as_ref().map_or(0, |parts| parts.images);
        let mut progress = Progress::new(before, images.len(), sink.parts.is_none());
        let (limits, mut is_read) = (DecodeLimits::local(), true);
        let read = |index: usize| read_bytes(&images[index], &limits);
        let work = |index: usize, bytes| {
            let heatmap = heatmaps.map(|heatmaps| heatmaps.path(index));
            predictor.image(&images[index], bytes, heatmap).map_err(|error| Failure::new(&images[index], error))
        };
        let take = |answer: Result<Answer, Failure>| {
            let has_failed = answer.is_err();
            let has_words = answer.as_ref().map_or(true, |answer| !answer.notes.is_empty());
            let take = || sink.take(answer, roots);
            is_read = if has_words { progress.aside(take)? } else { take()? };
            progress.advance();
            if !is_read || (has_failed && sink.fail_fast) {
                sink.is_cut_short |= is_read;
                return Ok(Next::Stop);
            }
            if interrupted.load(Ordering::Relaxed) {
                sink.is_cut_short = true;
                return Ok(Next::Finish);
            }
            anyhow::Ok(Next::Continue)
        };
        if let Err(error) = in_order(before..images.len(), rayon::current_num_threads(), read, work, take) {
            // The answers so far are right, whatever went wrong behind them; if it is the disk, that was told.
            let _ = sink.parts.as_mut().map(Parts::put_away);
            return Err(error);
        }
        Ok(is_read)
    }

    /// Answers for each field of each image; `false` when nobody reads any more.
    pub(super) fn print_fields(&mut self, images: &[PathBuf], fields: Fields) -> anyhow::Result<bool> {
        for path in images {
            if self.must_stop() {
                break;
            }
            let is_read = match LargeImage::open(path) {
                Ok(mut image) => self.print_fields_of(path, &mut image, fields)?,
                Err(error) => self.sink.take(Err(Failure::new(path, error.into())), &[])?,
            };
            if !is_read {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn print_fields_of(&mut self, path: &Path, image: &mut LargeImage, fields: Fields) -> anyhow::Result<bool> {
        let mut reader = match image.fields(fields) {
            Ok(reader) => reader,
            Err(error) => return self.sink.take(Err(Failure::new(path, error.into())), &[]),
        };
        let notes = reader.notes().to_vec();
        self.sink.log_notes(path, &notes);
        let at_once = reader.at_once().min(FIELDS_AT_ONCE);
        loop {
            let chunk: Vec<_> = reader.by_ref().take(at_once).collect();
            if chunk.is_empty() || self.must_stop() {
                return Ok(true);
            }
            let answer = |field| -> anyhow::Result<Answer> { self.predictor.field(path, &notes, &field?) };
            let answers: Vec<anyhow::Result<Answer>> = chunk.into_par_iter().map(answer).collect();
            for answer in answers {
                let has_failed = answer.is_err();
                if !self.sink.take(answer.map_err(|error| Failure::new(path, error)), &[])? {
                    return Ok(false);
                }
                if has_failed {
                    return Ok(true);
                }
            }
        }
    }

    /// Whether it is to stop before what is left.
    fn must_stop(&mut self) -> bool {
        let has_failed = self.sink.fail_fast && self.sink.failed() > 0;
        self.sink.is_cut_short |= has_failed || self.interrupted.load(Ordering::Relaxed);
        self.sink.is_cut_short
    }

    /// Says what stands below all answers, or makes the file of them; `total` inputs were asked about, of which the file is to
    /// have those of a shard.
    pub(super) fn finish(self, total: usize, of_shard: Option<Vec<usize>>) -> anyhow::Result<()> {
        let Self { arguments, sink, predictor, interrupted, .. } = self;
        let is_field = arguments.tile.is_some();
        let (is_cut_short, mut failed) = (sink.is_cut_short, sink.failed());
        match sink.parts {
            None => sink.print_end(is_field)?,
            Some(mut parts) if is_cut_short => {
                parts.put_away()?;
                tracing::error!("stopped behind {} of {total} images; --resume goes on there", parts.images);
            }
            Some(parts) => {
                let expected = Expected::of(predictor.classifier.metadata());
                let record = parts.finish(&sink.head, of_shard, sink.not_found, expected)?;
                failed = sink.not_found + record.total.failed;
                summary::show(&record, arguments.report.as_deref())?;
            }
        }
        if interrupted.load(Ordering::Relaxed) && is_cut_short {
            tracing::error!("interrupted: the answers are not all");
            std::process::exit(INTERRUPTED);
        }
        if is_cut_short {
            bail!("stopped at the first failure, as --fail-fast asks");
        }
        arguments.outcome(failed, total)
    }
}

impl Sink {
    /// Inputs without an answer, or not with all of theirs.
    fn failed(&self) -> usize {
        self.not_found + self.tally.failed
    }

    /// Takes what came of an image or a field; `false` when nobody reads any more. `roots` are the folders that images were looked for in.
    fn take(&mut self, answer: Result<Answer, Failure>, roots: &[Root]) -> anyhow::Result<bool> {
        let row = match &answer {
            Ok(answer) => {
                if answer.field.is_none() {
                    self.log_notes(&answer.file, &answer.notes);
                }
                let is_first = self.tally.images == 0;
                self.tally.add(answer.flags, answer.decision, answer.probability);
                self.layout.answer(answer, is_first)?
            }
            Err(failure) => {
                // A mount that is gone must not make a failure of each image that is left.
                if let Some(root) =
                    roots.iter().find(|root| failure.is_unreadable() && failure.file.starts_with(&root.path))
                    && root.is_gone()
                {
                    bail!("{} is gone; what was answered before stays", printable_path(&root.path));
                }
                self.tally.add_failure();
                tracing::error!("{:#}", failure.error);
                if self.parts.is_some() && self.fail_fast {
                    return Ok(true);
                }
                self.layout.failure(failure)?
            }
        };
        if let Some(parts) = &mut self.parts {
            let added = match &answer {
                Ok(Answer { file, flags, decision, probability, .. }) => {
                    parts.add(&row, file, |tally| tally.add(*flags, *decision, *probability))
                }
                Err(failure) => parts.add(&row, &failure.file, Tally::add_failure),
            };
            return added.map(|()| true);
        }
        if row.is_empty() {
            return Ok(true);
        }
        output::print(&(std::mem::take(&mut self.head) + &row))
    }

    fn log_notes(&self, path: &Path, notes: &[Note]) {
        if self.layout.format().has_no_notes() {
            notes.iter().for_each(|note| tracing::info!("{}: {note}", printable_path(path)));
        }
    }

    /// Prints what stands below all answers.
    fn print_end(&self, is_field: bool) -> anyhow::Result<()> {
        let mut text = self.layout.tail(self.failed() == 0 && !self.is_cut_short);
        if !text.is_empty() {
            text.insert_str(0, &self.head);
        }
        if self.tally.images > 0 {
            let lines = self.tally.lines(if is_field { "field" } else { "image" });
            if self.layout.format() == Format::Table {
                text += &format!("\n{}\n{RESEARCH_USE}\n", lines.join("\n"));
            } else {
                lines.iter().for_each(|line| tracing::info!("{line}"));
                tracing::info!("{RESEARCH_USE}");
            }
        }
        output::print(&text).map(drop)
    }
}
