// From the probabilities of several networks to labels, and what labels are worth.

export const CLASS_COUNT = 3;

// Scores whose highest class wins the vote, (3, V); `vote_scores` of the package. all: of each network (3, V).
// Votes, plus half a vote times the mean probability, which decides ties and nothing else; all over the most that there
// can be: 0 to 1.
export function voteScores(all) {
  if (all.length === 1) return all[0];
  const n = all[0].length / CLASS_COUNT, out = new Float32Array(all[0].length), fround = Math.fround;
  for (let i = 0; i < n; i++) {
    let a = 0, b = 0, c = 0;
    for (const one of all) {
      const label = argmax(one[i], one[n + i], one[2 * n + i]);
      out[label * n + i]++;
      a = fround(a + one[i]);
      b = fround(b + one[n + i]);
      c = fround(c + one[2 * n + i]);
    }
    [a, b, c].forEach((sum, label) => {
      const at = label * n + i;
      out[at] = fround(out[at] + fround(0.5 * fround(sum / all.length))) / (all.length + 0.5);
    });
  }
  return out;
}

// The class with the highest score; of equal ones the first.
export function argmax(a, b, c) { return b > a ? (c > b ? 2 : 1) : c > a ? 2 : 0; }

// Dice of a prediction against the truth, both (V) labels; kidney counts tumor in, as KiTS19 does. NaN where both are
// empty, since nothing can be said then.
export function dice(labels, truth) {
  const of = (least) => {
    let both = 0, sum = 0;
    for (let i = 0; i < labels.length; i++) {
      const here = labels[i] >= least, there = truth[i] >= least;
      both += here && there;
      sum += here + there;
    }
    return sum ? (2 * both) / sum : NaN;
  };
  return { kidney: of(1), tumor: of(2) };
}

// Milliliters of kidney and tumor.
export function volumes(labels, spacing) {
  const each = spacing[0] * spacing[1] * spacing[2] / 1000;
  let kidney = 0, tumor = 0;
  for (const label of labels) {
    if (label === 1) kidney++;
    if (label === 2) tumor++;
  }
  return { kidney: kidney * each, tumor: tumor * each };
}
