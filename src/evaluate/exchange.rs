//! Whose colours each image gets when colours are exchanged.
//!
//! In: a number of images and a seed. Out: for each image the images whose colour statistics its copies get, whatever
//! these show: a prediction for the copies comes from something else than colour.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Images that lend their colours, where there are as many.
const POOL: usize = 100;

/// For each of `images`, the images whose colours its `exchanges` copies get; never itself where there is another.
pub(crate) fn exchanges(images: usize, exchanges: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut pool: Vec<usize> = (0..images).collect();
    pool.shuffle(&mut rng);
    pool.truncate(POOL);
    let draw = |image: usize, rng: &mut ChaCha8Rng| loop {
        let other = pool[rng.random_range(0..pool.len())];
        if other != image || images == 1 {
            return other;
        }
    };
    (0..images).map(|image| (0..exchanges).map(|_| draw(image, &mut rng)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_draws_and_no_image_gets_its_own_colours() {
        let drawn = exchanges(300, 3, 0);
        assert_eq!(drawn, exchanges(300, 3, 0));
        assert_ne!(drawn, exchanges(300, 3, 1));
        assert!(drawn.iter().enumerate().all(|(image, others)| others.len() == 3 && !others.contains(&image)));
        let lenders: std::collections::BTreeSet<usize> = drawn.concat().into_iter().collect();
        assert!((90..=100).contains(&lenders.len()), "{}", lenders.len());
    }

    #[test]
    fn few_images_have_few_lenders() {
        assert_eq!(exchanges(2, 2, 5), [[1, 1], [0, 0]]);
        assert_eq!(exchanges(1, 2, 5), [[0, 0]]);
        assert_eq!(exchanges(3, 0, 5), [[0; 0]; 3]);
        assert!(exchanges(0, 3, 5).is_empty());
    }
}
