//! The components of a JPEG, and how much of them its scans have sent.

use super::bits::Bits;
use super::huffman::Strides;
use super::scan::{self, Band, Blocks, Extent, ScanComponent};
use super::tables::{Kind, Tables};
use super::{Checked, Fault, HEADER, Layout, Shape};

/// No coefficient of a block of 8x8 samples from -128 to 127 is larger.
const LARGEST_COEFFICIENT: i32 = 1024;

/// What is still to come of a coefficient of which nothing was sent.
const UNSENT: u8 = u8::MAX;

struct Component {
    id: u8,
    horizontal: u32,
    vertical: u32,
    quantisation: usize,
    /// Its blocks in a row and in a column of a scan of its own.
    blocks: (u32, u32),
    /// Its blocks in a row of a scan with others, where they fill whole MCUs.
    stride: usize,
    /// For each coefficient the bits that are still to come, or [`UNSENT`].
    missing: [u8; 64],
    /// Of a progressive image: for each block a bit for each coefficient that is known not to be zero.
    nonzero: Vec<u64>,
}

pub(super) struct Frame {
    is_progressive: bool,
    components: Vec<Component>,
    mcus: u32,
    /// Whether a scan of a sequential image has some of its components only.
    is_split: bool,
}

/// The header of a scan.
struct Header {
    /// Which components, and the tables for each: of the means above, of the others below.
    chosen: Vec<(usize, u8)>,
    band: Band,
    /// The bits that earlier scans left to come of these coefficients, 0 for none before, and those that this one leaves.
    high: u8,
    low: u8,
}

impl Frame {
    /// The frame of a header, and its shape.
    pub(super) fn parse(segment: &[u8], is_progressive: bool) -> Result<(Self, Shape), Fault> {
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = segment else { return Err(HEADER.into()) };
        let (width, height) = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
        match (precision, height) {
            (8, 1..) => {}
            (8, 0) => return Err(Fault::NotRead("its height is not in its header")),
            (12, _) => return Err(Fault::NotRead("it has 12 bits a sample")),
            _ => return Err(HEADER.into()),
        }
        if width == 0 || !matches!(count, 1..=4) || rest.len() != 3 * usize::from(count) {
            return Err(HEADER.into());
        }
        let samplings = || rest.chunks(3).map(|component| (u32::from(component[1] >> 4), u32::from(component[1] & 15)));
        if samplings().any(|(horizontal, vertical)| !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical)) {
            return Err(HEADER.into());
        }
        let h_max = samplings().map(|(horizontal, _)| horizontal).max().unwrap_or(1);
        let v_max = samplings().map(|(_, vertical)| vertical).max().unwrap_or(1);
        let (mcus_wide, mcus_high) = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        let component = |(bytes, (horizontal, vertical)): (&[u8], _)| Component {
            id: bytes[0],
            horizontal,
            vertical,
            quantisation: usize::from(bytes[2]),
            blocks: ((width * horizontal).div_ceil(8 * h_max), (height * vertical).div_ceil(8 * v_max)),
            stride: (mcus_wide * horizontal) as usize,
            missing: [UNSENT; 64],
            nonzero: Vec::new(),
        };
        let components: Vec<_> = rest.chunks(3).zip(samplings()).map(component).collect();
        let is_subsampled = samplings().any(|sampling| sampling != (h_max, v_max));
        let shape = Shape { width, height, components: components.len(), is_subsampled };
        Ok((Self { is_progressive, components, mcus: mcus_wide * mcus_high, is_split: false }, shape))
    }

    /// Whether all bits of all coefficients were sent.
    pub(super) fn is_complete(&self) -> bool {
        self.components.iter().all(|component| component.missing == [0; 64])
    }

    pub(super) fn layout(&self) -> Layout {
        let is_usual = match &self.components[..] {
            [first, others @ ..] => {
                first.horizontal <= 2
                    && first.vertical <= 2
                    && others.iter().all(|other| (other.horizontal, other.vertical) == (1, 1))
            }
            [] => true,
        };
        if is_usual && !self.is_split { Layout::Usual } else { Layout::Unusual }
    }

    /// Walks over a scan; gives the place of the marker after it.
    pub(super) fn walk_scan(&mut self, segment: &[u8], tables: &Tables, mut bits: Bits) -> Checked<usize> {
        let header = self.parse_scan(segment)?;
        self.count_as_sent(&header)?;
        if header.band.first > 0 {
            return self.walk_band(&header, tables, &mut bits);
        }

        let (has_means, has_others) = (header.high == 0, !self.is_progressive);
        let (mut means, mut others) = ([const { None }; 4], [const { None }; 4]);
        for &(_, selector) in &header.chosen {
            if has_means && let Some(slot @ None) = means.get_mut(usize::from(selector >> 4)) {
                *slot = Some(tables.codes(Kind::Means, selector >> 4)?);
            }
            if has_others && let Some(slot @ None) = others.get_mut(usize::from(selector & 15)) {
                *slot = Some(Strides::new(tables.codes(Kind::Others, selector & 15)?));
            }
        }
        let is_alone = header.chosen.len() == 1;
        let component = |&(index, selector): &(usize, u8)| {
            let component = &self.components[index];
            let step = i32::from(tables.mean_step(component.quantisation)?.max(1));
            Ok(ScanComponent {
                means: means.get(usize::from(selector >> 4)).and_then(Option::as_ref),
                others: others.get(usize::from(selector & 15)).and_then(Option::as_ref),
                blocks: if is_alone { 1 } else { component.horizontal * component.vertical },
                largest_mean: LARGEST_COEFFICIENT / step + 2,
            })
        };
        let components = header.chosen.iter().map(component).collect::<Checked<Vec<_>>>()?;
        let extent = self.extent(&header, tables);
        match (self.is_progressive, header.high) {
            (false, _) => scan::sequential(&mut bits, &components, extent),
            (true, 0) => scan::first_means(&mut bits, &components, extent, header.low),
            (true, _) => scan::refined_means(&mut bits, &components, extent),
        }
    }

    fn parse_scan(&self, segment: &[u8]) -> Checked<Header> {
        let (&count, rest) = segment.split_first().ok_or(HEADER)?;
        let count = usize::from(count);
        if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(HEADER);
        }
        let (selectors, spectral) = rest.split_at(2 * count);
        let mut chosen: Vec<(usize, u8)> = Vec::with_capacity(count);
        for selector in selectors.chunks(2) {
            let index = self.components.iter().position(|component| component.id == selector[0]).ok_or(HEADER)?;
            if chosen.iter().any(|&(before, _)| before == index) {
                return Err(HEADER);
            }
            chosen.push((index, selector[1]));
        }
        if !self.is_progressive {
            return Ok(Header { chosen, band: Band { first: 0, last: 63 }, high: 0, low: 0 });
        }
        let (first, last, high, low) = (spectral[0], spectral[1], spectral[2] >> 4, spectral[2] & 15);
        let is_valid = if first == 0 { last == 0 } else { first <= last && last < 64 && count == 1 };
        if !is_valid || low > 13 || (high > 0 && high != low + 1) {
            return Err(HEADER);
        }
        Ok(Header { chosen, band: Band { first: u32::from(first), last: u32::from(last) }, high, low })
    }

    /// Keeps what the scan sends; each bit can be sent once, after those above it.
    fn count_as_sent(&mut self, header: &Header) -> Checked<()> {
        self.is_split |= !self.is_progressive && header.chosen.len() < self.components.len();
        let due = if header.high == 0 { UNSENT } else { header.high };
        for &(index, _) in &header.chosen {
            let missing = &mut self.components[index].missing;
            if header.band.first > 0 && missing[0] == UNSENT {
                return Err(HEADER);
            }
            for missing in &mut missing[header.band.first as usize..=header.band.last as usize] {
                if *missing != due {
                    return Err(HEADER);
                }
                *missing = header.low;
            }
        }
        Ok(())
    }

    fn walk_band(&mut self, header: &Header, tables: &Tables, bits: &mut Bits) -> Checked<usize> {
        let extent = self.extent(header, tables);
        let (index, selector) = header.chosen[0];
        let component = &mut self.components[index];
        let codes = tables.codes(Kind::Others, selector & 15)?;
        component.nonzero.resize((self.mcus * component.horizontal * component.vertical) as usize, 0);
        let blocks =
            Blocks { nonzero: &mut component.nonzero, stride: component.stride, width: component.blocks.0 as usize };
        let walk = if header.high == 0 { scan::first_band } else { scan::refined_band };
        walk(bits, &codes, extent, header.band, blocks)
    }

    fn extent(&self, header: &Header, tables: &Tables) -> Extent {
        let mcus = match header.chosen[..] {
            [(index, _)] => self.components[index].blocks.0 * self.components[index].blocks.1,
            _ => self.mcus,
        };
        Extent { mcus, interval: tables.restart_interval }
    }
}
