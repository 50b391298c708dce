(function () {
  var all = document.getElementById('frames');
  var left = +all.dataset.left, width = +all.dataset.width, letter = +all.dataset.letter;
  var boxes = Array.prototype.slice.call(all.querySelectorAll('.f'));
  function place(box, x, w) {
    var rect = box.querySelector('rect'), text = box.querySelector('text');
    var name = box.querySelector('title').textContent.replace(/( \(inlined\))? \([^()]*\)$/, '');
    rect.setAttribute('x', x);
    rect.setAttribute('width', Math.max(w > 3 ? w - 0.5 : w, 0));
    text.setAttribute('x', x + 3);
    var room = Math.floor((w - 6) / letter);
    text.textContent = room < 3 ? '' : name.length <= room ? name : name.slice(0, room - 2) + '..';
  }
  all.addEventListener('click', function (event) {
    var box = event.target.closest('.f');
    if (!box) return;
    var x0 = +box.dataset.x, w0 = +box.dataset.w, d0 = +box.dataset.d;
    boxes.forEach(function (other) {
      var x = +other.dataset.x, w = +other.dataset.w, below = +other.dataset.d < d0;
      var inside = !below && x >= x0 && x + w <= x0 + w0;
      var under = below && x <= x0 && x + w >= x0 + w0;
      other.classList.toggle('h', !inside && !under);
      other.classList.toggle('p', under);
      if (under) place(other, left, width);
      if (inside) place(other, left + (x - x0) / w0 * width, w / w0 * width);
    });
  });
})();
