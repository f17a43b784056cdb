//! What BreakHis is: slide names, labels, cases, folders, manifests, splits, audit. Knows no model.
//!
//! In: a folder of images whose names follow BreakHis. Out: a [`Dataset`], a [`Split`] of it into parts that share
//! no person, and an [`Audit`] of what is wrong with either.
//!
//! ```no_run
//! use lobule::breakhis::{Dataset, Part, Split};
//!
//! # fn main() -> Result<(), lobule::breakhis::BreakhisError> {
//! let dataset = Dataset::open("BreaKHis_v1".as_ref())?;
//! let split = Split::by_case(&dataset, 7)?;
//! let train = split.images(&dataset, Part::Train)?;
//! # Ok(())
//! # }
//! ```

mod audit;
mod dataset;
mod error;
mod slide_name;
mod split;
mod table;

pub use audit::{Audit, Count, Finding, Identical, PartCount, SharedCase, SplitAudit, audit};
pub use dataset::{Dataset, ImageFile};
pub use error::BreakhisError;
pub use slide_name::magnification::Magnification;
pub use slide_name::subtype::Subtype;
pub use slide_name::{Case, SlideName, SlideNameError};
pub use split::folds::Folds;
pub use split::{Part, Split};
