// One voxel, five networks: votes, ties, and what the summed probabilities decide.
function vote(el) {
  const classes = ["background", "kidney", "tumor"];
  const names = ["3D U-Net", "MSAN-V1", "MSAN-V1 + DS", "MSAN-V2", "MSAN-V2 + DS"];
  const start = [[1, 0.5], [1, 0.5], [2, 0.9], [2, 0.9], [0, 0.6]];
  begin(el);
  const rows = make("div", el, { className: "kits-x-votes" });
  const networks = names.map((name, i) => {
    const group = make("fieldset", rows);
    make("legend", group, { textContent: name });
    const choice = make("select", group);
    choice.setAttribute("aria-label", `${name} votes for`);
    classes.forEach((text, value) => make("option", choice, { textContent: text, value, selected: value === start[i][0] }));
    choice.addEventListener("change", update);
    const sure = slider(group, "sure", { min: 0.34, max: 1, step: 0.02, value: start[i][1] }, update);
    return { choice, sure };
  });
  const table = make("table", el, { className: "kits-x-table" });
  const tell = teller(el);

  function update() {
    const counts = [0, 0, 0], sums = [0, 0, 0];
    for (const { choice, sure } of networks) {
      const chosen = Number(choice.value);
      counts[chosen] += 1;
      sums.forEach((_, value) => { sums[value] += value === chosen ? sure.value : (1 - sure.value) / 2; });
    }
    sums.forEach((sum, value) => { sums[value] = Number(sum.toFixed(2)); }); // as shown: equal ones are equal
    const most = Math.max(...counts), tied = [0, 1, 2].filter((value) => counts[value] === most);
    const winner = tied.reduce((best, value) => (sums[value] > sums[best] ? value : best));
    const isEven = tied.filter((value) => sums[value] === sums[winner]).length > 1;
    const surest = sums.indexOf(Math.max(...sums));
    table.replaceChildren();
    const line = (cells, tag) => cells.reduce((tr, text) => { make(tag, tr, { textContent: text }); return tr; }, make("tr", table));
    line(["class", "votes", "sum of probabilities"], "th");
    classes.forEach((name, value) => { line([name, counts[value], fixed(sums[value])], "td").classList.toggle("kits-x-winner", value === winner); });
    const how = tied.length === 1
      ? `${classes[winner]} has most votes, ${most}, and wins.` + (surest === winner ? "" : ` The largest sum alone would have said ${classes[surest]}.`)
      : `${tied.map((value) => classes[value]).join(" and ")} tie with ${most} votes each. Among these ${classes[winner]} ` +
        (isEven ? "wins: of equal sums, the first class counts." : "has the larger sum and wins.");
    tell(how);
  }
  update();
}
