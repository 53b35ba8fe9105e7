// Calls back for every frame that a <video> presents.

/**
 * @param {HTMLVideoElement} video
 * @param {() => void} onFrame
 * @returns {() => void} ends it
 */
export function watchFrames(video, onFrame) {
  return 'requestVideoFrameCallback' in video ? follow(video, onFrame) : poll(video, onFrame);
}

/**
 * @param {HTMLVideoElement} video
 * @param {() => void} onFrame
 */
function follow(video, onFrame) {
  const next = () => {
    request = video.requestVideoFrameCallback(next);
    onFrame();
  };
  let request = video.requestVideoFrameCallback(next);
  return () => video.cancelVideoFrameCallback(request);
}

/**
 * For browsers without that callback: a frame is seen when the page is drawn next.
 * @param {HTMLVideoElement} video
 * @param {() => void} onFrame
 */
function poll(video, onFrame) {
  let seen = 0;
  const next = () => {
    request = requestAnimationFrame(next);
    const { totalVideoFrames } = video.getVideoPlaybackQuality();
    if (totalVideoFrames === seen) return;
    seen = totalVideoFrames;
    onFrame();
  };
  let request = requestAnimationFrame(next);
  return () => cancelAnimationFrame(request);
}
