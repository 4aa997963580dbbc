// The viewer of a page that segments. Its panels are given once, so another set of panels needs another viewer, which
// looks as the one before did.

export class Showing {
  constructor(place) {
    this.place = place;
    this.look = {}; // how the viewer shows, see KitsViewer.show
    this.middle = null; // the slices that it shows as long as nobody knows better
  }

  // A panel for the truth, each of `results` [{ title, labels, tumor }], and the heat, if any.
  draw(scan, results, heat) {
    const truth = scan.truth ? [{ title: "truth", labels: scan.truth, tumor: scan.tumor }] : [];
    const panels = [...truth, ...results];
    const of = (what) => Object.fromEntries(panels.map((one) => [one.title, one[what]]));
    this.remove();
    if (!this.look.indices) {
      this.middle = scan.indices ? null : scan.shape.map((count) => count >> 1);
      this.look.indices = scan.indices ?? this.middle;
    }
    if (!scan.truth && this.look.mode === "errors") this.look.mode = "fill";
    const given = { ...scan, name: scan.title, labels: of("labels"), tumor: of("tumor") };
    this.viewer = KitsViewer.show(this.place, { ...given, heat: heat ? { [heat.title]: heat } : {} }, this.look);
  }

  // To the slices of what was found first in a scan without a truth, unless somebody has looked elsewhere meanwhile.
  goTo(indices) {
    if (!indices || !this.middle) return;
    if (String(this.viewer.get().indices) === String(this.middle)) this.viewer.set({ indices });
    this.middle = null;
  }

  remove() {
    if (!this.viewer) return;
    this.look = this.viewer.get();
    this.viewer.remove();
    this.viewer = null;
    this.place.replaceChildren();
  }

  // For the next scan: plane, window and mode stay; slices, zoom and crosshair were of this one.
  forget() {
    this.remove();
    delete this.look.indices;
    delete this.look.kept;
  }
}
