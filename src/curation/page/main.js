// The first view.

document.title = `Review of ${name}`;
document.querySelector('h1').textContent = `Review of ${name}`;
element('place').textContent = `metrics/${name}/decisions.csv`;

const elsewhere = decided().filter(one => !byId.has(one.id)).length;
element('kept').textContent = elsewhere
  ? `${count(elsewhere, 'earlier decision')} on photos that are not on this page will be saved too.` : '';
element('left-out').textContent = Object.entries(content.left_out)
  .map(([one, number]) => `${one}: ${count(number, 'less suspicious photo')} not on this page.`).join(' ');

store.listen(one => {
  merge([one]);
  refresh();
});

if (entries.length) show(nearest(-1, 1));
else refresh();
