/**
 * The short authentication string: 24 bits as four pictures with names, which two people compare by voice.
 * The names are chosen to be told apart over a bad line; their order is part of the protocol.
 * @module
 */

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ emoji: string, name: string }} Sign */

/**
 * Six bits each, the most significant ones first.
 * @param {Bytes} sas 3 bytes
 * @returns {Sign[]} four
 */
export function signs(sas) {
  const bits = (sas[0] << 16) | (sas[1] << 8) | sas[2];
  return [18, 12, 6, 0].map((shift) => SIGNS[(bits >> shift) & 63]);
}

/** @type {readonly Sign[]} */
export const SIGNS = [
  ["🐙", "octopus"],
  ["🐘", "elephant"],
  ["🦊", "fox"],
  ["🐝", "bee"],
  ["🐢", "turtle"],
  ["🦉", "owl"],
  ["🐧", "penguin"],
  ["🦋", "butterfly"],
  ["🐊", "crocodile"],
  ["🦔", "hedgehog"],
  ["🦁", "lion"],
  ["🦒", "giraffe"],
  ["🦆", "duck"],
  ["🐳", "whale"],
  ["🦀", "crab"],
  ["🐸", "frog"],
  ["🍌", "banana"],
  ["🍒", "cherries"],
  ["🍋", "lemon"],
  ["🍍", "pineapple"],
  ["🥕", "carrot"],
  ["🥜", "peanut"],
  ["🍄", "mushroom"],
  ["🍞", "bread"],
  ["🧀", "cheese"],
  ["🥚", "egg"],
  ["🍕", "pizza"],
  ["🍩", "doughnut"],
  ["☕", "coffee"],
  ["🌵", "cactus"],
  ["🌻", "sunflower"],
  ["🍁", "leaf"],
  ["🌋", "volcano"],
  ["⭐", "star"],
  ["🔥", "fire"],
  ["🌈", "rainbow"],
  ["⛄", "snowman"],
  ["⚡", "lightning"],
  ["⛺", "tent"],
  ["🌍", "world"],
  ["🏠", "house"],
  ["🏰", "castle"],
  ["⛵", "sailboat"],
  ["🚂", "train"],
  ["🚲", "bicycle"],
  ["🚀", "rocket"],
  ["🚁", "helicopter"],
  ["🚜", "tractor"],
  ["⚓", "anchor"],
  ["🔒", "padlock"],
  ["🔔", "bell"],
  ["🎈", "balloon"],
  ["🎻", "violin"],
  ["🥁", "drum"],
  ["🎺", "trumpet"],
  ["☔", "umbrella"],
  ["👑", "crown"],
  ["💍", "ring"],
  ["👓", "glasses"],
  ["👢", "boot"],
  ["🔨", "hammer"],
  ["🔭", "telescope"],
  ["📷", "camera"],
  ["💎", "diamond"],
].map(([emoji, name]) => ({ emoji, name }));
