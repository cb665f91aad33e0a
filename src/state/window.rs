//! (skeleton) sliding window of outcomes
