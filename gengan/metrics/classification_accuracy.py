"""Classification accuracy score: what generated images teach a classifier about real ones."""

import numpy as np

from gengan.metrics.consistency import accuracies_by_class
from gengan.metrics.family import CONDITIONAL, Family, Images, Inputs, Meaning, Scores


def scores(inputs: Inputs) -> Scores:
  """Accuracy on held-out images of a classifier trained on generated ones alone (Ravuri and Vinyals 2019).

  As many images are generated as there are training images, all classes of these alike. Held-out images of other
  classes are left out.

  Raises:
    ValueError: no held-out image of a class that the model was trained on.
  """
  model, name = inputs.model, 'classification_accuracy_score'
  images, truth = model.images()
  known = np.isin(truth, model.trained_labels)
  if not known.any():
    raise ValueError('there is no held-out image of a class that the model was trained on')
  labels = np.resize(np.array(model.trained_labels, np.int32), model.num_train)
  classifier = model.train_classifier(model.draw(labels, inputs.seed), labels, inputs.seed)
  right = classifier(images[known])[0].argmax(axis=1) == truth[known]
  by_class = accuracies_by_class(right, truth[known])
  return Scores(
    {name: float(right.mean())},
    by_class={name: by_class},
    setting=f'classification accuracy: {model.classifier_setting}',
    left_out=dict.fromkeys(np.unique(truth[~known]).tolist(), 'no training image')
    | dict.fromkeys(set(model.trained_labels) - by_class.keys(), 'no held-out image'),
  )


FAMILY = Family(
  scores,
  {
    'classification_accuracy_score': Meaning(
      'higher', 'accuracy on real images of a classifier trained on samples alone'
    )
  },
  needs=(CONDITIONAL,),
  images=Images(
    'held_out', least=1, of_class=1, enough=20, few='an accuracy over so few of a class moves by ten percent by chance'
  ),
  by_network=False,
)
