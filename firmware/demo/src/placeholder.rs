//! Stands in for the engine until it lands: deterministic integers.
pub struct Toy {
    pub logits: [i32; 32],
    seed: u32,
}
impl Toy {
    pub fn new(seed: u32) -> Self {
        Self { logits: [0; 32], seed }
    }
    pub fn step(&mut self, token: u32) -> u32 {
        self.seed ^= token;
        for _ in 0..2000 {
            for l in &mut self.logits {
                self.seed = self.seed.wrapping_mul(1664525).wrapping_add(1013904223);
                *l = (self.seed >> 8) as i32;
            }
        }
        (0..32).max_by_key(|&i| self.logits[i as usize]).unwrap_or(0)
    }
}
