// Runs before the first paint: the stored choice of theme, if there is one.
(function () {
  try {
    var theme = localStorage.getItem('rollcall.theme');
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  } catch (_) {
    // Storage is forbidden: the system's theme it is.
  }
})();
