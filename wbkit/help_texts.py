"""Examples and explanations below the options of each `wbkit COMMAND --help`."""

from __future__ import annotations

EXAMPLES = {
    "demo": """examples:
  wbkit demo                                   the embedded people, or data/coco if you have it
  wbkit demo --data data/coco --out outputs/x  your COCO-WholeBody folder

Predicts everybody in the ground truth's boxes (the first 300 of a large set) with the model that comes with
wbkit, prints AP by part and the ten worst keypoints, and draws poses, heatmaps and precision-recall.""",
    "predict": """examples:
  wbkit predict photo.jpg --checkpoint w32_dark_256x192          fetches the published weights once
  wbkit predict photos/ --out outputs/photos                     all pictures of a folder
  wbkit predict photos/ --out outputs/photos --resume            ... goes on after an interruption
  wbkit predict photos/ --out hands.csv --parts lefthand,righthand   a row for every keypoint
  wbkit predict clip.mp4 --checkpoint w32_dark_256x192           follows people through a video
  wbkit predict a.jpg b.jpg --boxes boxes.json --checkpoint my.safetensors --recipe tiny
  torchrun --nproc-per-node 2 --no-python wbkit predict *.jpg --checkpoint ...   each process takes a share

boxes.json: {"photo.jpg": [[x, y, width, height], ...]} (a fifth number is the box's score), a COCO-WholeBody
annotation file that lists the pictures, or a COCO detection file, whose image_id is looked up in
--annotations or is the number in the picture's name. Without boxes people are looked for, by torchvision's
detector where it is installed (pip install --editable '.[detector]' in the checkout), else by OpenCV's own,
which knows upright, whole people only.

In a video each person keeps a number. People are looked for in the first frame and every 15th; in between
their boxes follow the points of the frame before. Keys of boxes.json are frame numbers then, counted from 1
("1": [[...]]), not necessarily all. image_id of the results is the frame; time is in seconds, by the mean
number of frames a second.

The results are COCO-WholeBody's: keypoints (17 of the body), foot_kpts, face_kpts, lefthand_kpts and
righthand_kpts hold x, y in image pixels and a score, the height of the heatmap's peak: near 1 where the
model is sure, sometimes above, no probability. Faces and hands are looked at again, enlarged, with the model
in data/models unless --zoom none is given, with others only with --zoom FILE: the mean of both looks is
written, in which each counts by its score and the second six times as much. A person's score is bbox_score
times the mean score of the keypoints above .2. image_id comes from --annotations, or from --boxes if that is
an annotation file; without, it is the number in the name if all names are numbers, each another one (as in
COCO), else the pictures are counted from 1. In a .csv of pictures `person` counts through the file.

Where nobody is found the whole picture is tried, as a person of score 0 with "guessed": true. A box that is
empty or outside of its picture is left out, and told. --resume goes on with pictures; an interrupted video
keeps what it has, where no earlier results are in the way, and cannot go on.""",
    "evaluate": """examples:
  wbkit evaluate --annotations coco_wholebody_val_v1.0.json --results results.json
  wbkit evaluate --annotations A.json --results R.json --rescore --reference
  wbkit evaluate --recipe w32_dark_256x192 --checkpoint w32_dark_256x192 --data data/coco --boxes detections
  wbkit evaluate --data data/wholebody-mini --checkpoint best.safetensors --zoom zoom.safetensors

A results file is a list, a record for each person: image_id, category_id (1), score, and keypoints (51
numbers), foot_kpts (18), face_kpts (204), lefthand_kpts and righthand_kpts (63 each) as x, y in pixels of the
picture and the point's score; bbox (x, y, width, height) and bbox_score where known, --rescore needs both.
wbkit.annotations.results_from_arrays makes it from arrays.

The first form scores any model's results; the second also rescores and suppresses as MMPose does, and
runs xtcocotools beside it; the third runs the whole pipeline and prints the published row beside it.""",
    "reproduce": """examples:
  wbkit reproduce --data data/coco

Measures the published systems (w32_dark_256x192, w48_dark_plus_384x288) on COCO-WholeBody val with the
detector's boxes and flip test, and prints the published numbers beside the measured ones. Needs COCO val2017,
COCO-WholeBody's annotations and the detections (wbkit download coco-val says where); fetches the checkpoints.
Minutes on a GPU, hours on a CPU; what was measured stays in --out, so an interrupted run goes on.""",
    "train": """examples:
  wbkit train --recipe tiny --data data/people --out outputs/train/tiny         a laptop
  wbkit train --recipe tiny --data data/people --out outputs/train/tiny --resume   ... goes on
  wbkit train --recipe tiny --data data/people data/hard --val-data mine.json:photos   two sets, and your own
  wbkit train --recipe tiny --synthetic 20000 --val-data data/wholebody-mini    rendered on the fly
  wbkit train --recipe tiny_zoom --data data/people --init data/models/tiny_zoom.safetensors   faces and hands
  torchrun --nproc-per-node 8 --no-python wbkit train --recipe w32_dark_256x192 --data coco --init imagenet

the + recipe, COCO's 17 keypoints first (COCO's own person_keypoints_train2017.json will do), then 133 with a
fresh last layer:
  wbkit train --recipe w48_dark_plus_384x288 --data data/coco --keypoints 17 --init imagenet --out w48_17
  wbkit train --recipe w48_dark_plus_384x288 --data data/coco --init w48_17/final.safetensors --head fresh
(with --micro-batch 32 --workers 8 on one GPU)

The total batch is the recipe's with 1, 2, 4 or 8 GPUs: --micro-batch adds gradients up where memory
is short. Another --batch-size scales the learning rate in proportion. On CPUs without AMX expect a few
pictures a second for W32: train the recipe called tiny there. Beside other programs that compute,
OMP_NUM_THREADS=1 may be much faster: threads wait for each other.""",
    "export": """examples:
  wbkit export --checkpoint outputs/train/tiny/best.safetensors --out tiny.pth          for MMPose 1.x
  wbkit export --checkpoint outputs/train/tiny/best.safetensors --out tiny.onnx         RGB crops -> heatmaps
  wbkit export --checkpoint outputs/train/tiny/best.safetensors --half --out small.safetensors

Beside a .pth lies the configuration for MMPose: init_model("tiny.py", "tiny.pth").

The ONNX graph takes uint8 RGB crops (batch, height, width, 3), normalises them itself, and is compared with
PyTorch by onnxruntime before it is kept (pip install --editable '.[onnx]' in the checkout). From a photo to
points with it:

  predictor = wbkit.commands.models.load_predictor("best.safetensors", flip_test=False)
  crops, matrices = predictor.cut(image, boxes)
  heatmaps = onnxruntime.InferenceSession("tiny.onnx").run(None, {"crops": np.stack(crops)})[0]
  points, scores = predictor.codec.decode(torch.from_numpy(heatmaps))  # (N, 133, 2) pixels of the crops
  points = wbkit.geometry.points_to_image(points.numpy(), matrices)""",
    "synth": """examples:
  wbkit synth --out data/people --pictures 20000 --val 500 --seed 1 --workers 8
  wbkit synth --out data/hard --pictures 20000 --seed 2 --mix hard      more seats, squats, backs, far people

Rendered people with exact labels, in COCO-WholeBody's format and folder layout: wbkit demo --data data/people
works on it. The same seed gives the same pictures whatever the workers; a killed run goes on.""",
    "download": """examples:
  wbkit download coco-val
  wbkit download checkpoint w32_dark_256x192

Interrupted downloads go on where they stopped; hashes are verified. What has no stable public address is
named with the page to get it from.""",
}
