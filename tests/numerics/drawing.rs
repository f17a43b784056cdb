//! The drawn tissue that other tests and the documentation use is what its code draws.

use lobule::pixels::{DecodeLimits, read};

use crate::{draw, fixture};

#[test]
fn the_committed_tissue_is_what_is_drawn() {
    let drawn = draw::tissue(draw::SEED);
    let committed = read(&fixture("tissue.png"), &DecodeLimits::default()).unwrap().image;
    assert_eq!(committed.dimensions(), (draw::WIDTH, draw::HEIGHT));
    let worst = drawn.as_raw().iter().zip(committed.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(1), "a pixel differs by {worst:?}");
}

/// After a change to tests/fixtures/draw.rs: `cargo test --test numerics -- --ignored draws_the_tissue_again`.
#[test]
#[ignore = "rewrites tests/fixtures/tissue.png"]
fn draws_the_tissue_again() {
    draw::tissue(draw::SEED).save(fixture("tissue.png")).unwrap();
}
