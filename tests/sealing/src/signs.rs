//! The short authentication string: 24 bits as four pictures with names, which two people compare by voice.

use crate::limits::SAS_BYTES;

/// One of the 64, for six bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// One character, shown in colour everywhere without a variation selector.
    pub emoji: &'static str,
    /// In English, chosen to be told apart over a bad line.
    pub name: &'static str,
}

/// Six bits each, the most significant ones first.
pub(crate) fn of(sas: [u8; SAS_BYTES]) -> [&'static Sign; 4] {
    let bits = u32::from_be_bytes([0, sas[0], sas[1], sas[2]]);
    [18, 12, 6, 0].map(|shift| &SIGNS[(bits >> shift & 63) as usize])
}

/// Their order is part of the protocol.
pub const SIGNS: [Sign; 64] = [
    Sign { emoji: "🐙", name: "octopus" },
    Sign { emoji: "🐘", name: "elephant" },
    Sign { emoji: "🦊", name: "fox" },
    Sign { emoji: "🐝", name: "bee" },
    Sign { emoji: "🐢", name: "turtle" },
    Sign { emoji: "🦉", name: "owl" },
    Sign { emoji: "🐧", name: "penguin" },
    Sign { emoji: "🦋", name: "butterfly" },
    Sign { emoji: "🐊", name: "crocodile" },
    Sign { emoji: "🦔", name: "hedgehog" },
    Sign { emoji: "🦁", name: "lion" },
    Sign { emoji: "🦒", name: "giraffe" },
    Sign { emoji: "🦆", name: "duck" },
    Sign { emoji: "🐳", name: "whale" },
    Sign { emoji: "🦀", name: "crab" },
    Sign { emoji: "🐸", name: "frog" },
    Sign { emoji: "🍌", name: "banana" },
    Sign { emoji: "🍒", name: "cherries" },
    Sign { emoji: "🍋", name: "lemon" },
    Sign { emoji: "🍍", name: "pineapple" },
    Sign { emoji: "🥕", name: "carrot" },
    Sign { emoji: "🥜", name: "peanut" },
    Sign { emoji: "🍄", name: "mushroom" },
    Sign { emoji: "🍞", name: "bread" },
    Sign { emoji: "🧀", name: "cheese" },
    Sign { emoji: "🥚", name: "egg" },
    Sign { emoji: "🍕", name: "pizza" },
    Sign { emoji: "🍩", name: "doughnut" },
    Sign { emoji: "☕", name: "coffee" },
    Sign { emoji: "🌵", name: "cactus" },
    Sign { emoji: "🌻", name: "sunflower" },
    Sign { emoji: "🍁", name: "leaf" },
    Sign { emoji: "🌋", name: "volcano" },
    Sign { emoji: "⭐", name: "star" },
    Sign { emoji: "🔥", name: "fire" },
    Sign { emoji: "🌈", name: "rainbow" },
    Sign { emoji: "⛄", name: "snowman" },
    Sign { emoji: "⚡", name: "lightning" },
    Sign { emoji: "⛺", name: "tent" },
    Sign { emoji: "🌍", name: "world" },
    Sign { emoji: "🏠", name: "house" },
    Sign { emoji: "🏰", name: "castle" },
    Sign { emoji: "⛵", name: "sailboat" },
    Sign { emoji: "🚂", name: "train" },
    Sign { emoji: "🚲", name: "bicycle" },
    Sign { emoji: "🚀", name: "rocket" },
    Sign { emoji: "🚁", name: "helicopter" },
    Sign { emoji: "🚜", name: "tractor" },
    Sign { emoji: "⚓", name: "anchor" },
    Sign { emoji: "🔒", name: "padlock" },
    Sign { emoji: "🔔", name: "bell" },
    Sign { emoji: "🎈", name: "balloon" },
    Sign { emoji: "🎻", name: "violin" },
    Sign { emoji: "🥁", name: "drum" },
    Sign { emoji: "🎺", name: "trumpet" },
    Sign { emoji: "☔", name: "umbrella" },
    Sign { emoji: "👑", name: "crown" },
    Sign { emoji: "💍", name: "ring" },
    Sign { emoji: "👓", name: "glasses" },
    Sign { emoji: "👢", name: "boot" },
    Sign { emoji: "🔨", name: "hammer" },
    Sign { emoji: "🔭", name: "telescope" },
    Sign { emoji: "📷", name: "camera" },
    Sign { emoji: "💎", name: "diamond" },
];
